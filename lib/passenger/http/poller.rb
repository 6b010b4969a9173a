# frozen_string_literal: true

require_relative "../base/native"

module PhusionPassenger
  # Tells which of many things are ready. A thing has `fileno` and `to_io`. The poller watches each
  # thing for input or for room to write. A caller forgets a thing before it closes it. The C class
  # (ext/ruby/poller.c) uses epoll(7). This class does the same where that was not built.
  class PlainPoller
    def initialize
      @readers = {}.compare_by_identity
      @writers = {}.compare_by_identity
    end

    def read(thing)
      @writers.delete(thing)
      @readers[thing] = true
    end

    def write(thing)
      @readers.delete(thing)
      @writers[thing] = true
    end

    def forget(thing)
      @readers.delete(thing)
      @writers.delete(thing)
    end

    # The things that are ready. Waits for at most this many seconds (nil: without limit); a signal
    # may end the wait.
    def wait(seconds)
      IO.select(@readers.keys, @writers.keys, nil, seconds)&.first(2)&.flatten(1) || []
    end

    def close; end
  end

  Poller = Native::LOADED ? Native::Poller : PlainPoller
end
