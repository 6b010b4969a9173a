# frozen_string_literal: true

module PhusionPassenger
  # Where the threads of this process are, for people: bytes, since names and paths may have
  # different encodings. Takes no lock, so that signal handlers may use it.
  module Backtraces
    # Bytes of text().
    MOST = 256 * 1024

    # Yields a text for each thread. The main thread comes last: a report that is too long loses its
    # beginning.
    def self.each
      Thread.list.reverse_each do |thread|
        name = thread == Thread.main ? "main" : thread.name
        title = "Thread ".b << name.to_s.b << " of process #{Process.pid}:"
        yield [title, *thread.backtrace].map(&:b).join("\n    ").b << "\n"
      end
    end

    # To the log.
    def self.print
      each { |text| STDERR.syswrite(text) } # rubocop:disable Style/GlobalStdStream
    rescue SystemCallError, IOError
      nil
    end

    # The backtraces of all threads.
    def self.text
      all = "".b
      each { |one| all << one }
      all.byteslice([all.bytesize - MOST, 0].max, MOST)
    end
  end
end
