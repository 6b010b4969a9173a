# frozen_string_literal: true

require_relative "../base/native"

module PhusionPassenger
  # Tells which of many things are ready: whatever has a `fileno` and a `to_io`. Each is watched for one of two: that something can be read,
  # or that there is room to write. Whoever closes one makes it forgotten before. In C (ext/ruby/poller.c) it asks epoll(7); this is the same where that
  # was not built.
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

    # Those that are ready, after so many seconds (nil: as many as it takes) at the latest; a signal may end it, too.
    def wait(seconds)
      IO.select(@readers.keys, @writers.keys, nil, seconds)&.first(2)&.flatten(1) || []
    end

    def close; end
  end

  Poller = Native::LOADED ? Native::Poller : PlainPoller
end
