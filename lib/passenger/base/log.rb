# frozen_string_literal: true

module PhusionPassenger
  # Writes events to standard error, which the agent collects into the log. A line is an event: what happened,
  # then what it is about.
  module Log
    # As LogLimit of the C++ side. Thread-safe.
    class Limit
      INTERVAL = 10
      LINES = 10

      def initialize
        @lock = Mutex.new
        @lines = @left_out = 0
        @since = -INTERVAL
      end

      # Nil: no further line now. Else how many were left out since the last one.
      def allow(now = Process.clock_gettime(Process::CLOCK_MONOTONIC))
        @lock.synchronize do
          @since, @lines = now, 0 if now - @since >= INTERVAL
          @lines += 1
          if @lines > LINES
            @left_out += 1
            next
          end
          @left_out.tap { @left_out = 0 }
        end
      end
    end

    class << self
      # The application's name, in each line once it is known.
      attr_accessor :app

      # The Limit of complaints.
      attr_writer :complaints
    end
    self.complaints = Limit.new

    def self.event(name, fields = {})
      fields = { app: app }.merge(fields) if app
      text = fields.map { |key, value| "#{key}=#{value.is_a?(Numeric) ? value : value.to_s.inspect}" }
      write("event=#{[name, *text].join(' ')}\n")
    end

    # For what a peer that is not trusted can cause as often as it likes: ten lines in ten seconds, and how many were left out since.
    def self.complaint(name, fields = {})
      left_out = @complaints.allow or return
      event(name, left_out.zero? ? fields : fields.merge(left_out: left_out))
    end

    # An exception with its causes and its whole backtrace.
    def self.exception(name, error, fields = {})
      event(name, fields.merge(exception: error.class.name, message: message_of(error)))
      write("#{describe(error)}\n")
    end

    # An application may have written a #message that raises.
    def self.message_of(error)
      error.message.to_s.b
    rescue Exception => e # rubocop:disable Lint/RescueException
      "(no message: #{e.class})".b
    end

    def self.describe(error)
      lines = []
      seen = []
      while error && !seen.include?(error)
        lines << "#{'Caused by: ' unless seen.empty?}#{error.class}: ".b + message_of(error)
        lines.concat((error.backtrace || []).map { |line| "    from #{line}".b })
        seen << error
        error = error.cause
      end
      lines.join("\n")
    end

    # A log that cannot be written must not fail the request that wanted to be logged.
    def self.write(text)
      $stderr.write(text)
    rescue IOError, SystemCallError
      nil
    end
    private_class_method :write
  end
end
