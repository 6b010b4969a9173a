# frozen_string_literal: true

module PhusionPassenger
  # Writes events to standard error; the agent collects this output into its log. A line is one
  # event: its name, then its fields.
  module Log
    # Limits how many lines are written in an interval, like LogLimit of the agent. Thread-safe.
    class Limit
      # Seconds.
      INTERVAL = 10
      LINES = 10

      def initialize
        @lock = Mutex.new
        @lines = @left_out = 0
        @since = -INTERVAL
      end

      # Returns nil if no line may be written now. Otherwise returns the number of lines that were
      # left out since the last one.
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
      # The name of the application's group. Each event has the name once it is set.
      attr_accessor :app

      # The Limit that complaint() obeys.
      attr_writer :complaints
    end
    self.complaints = Limit.new

    def self.event(name, fields = {})
      fields = { app: app }.merge(fields) if app
      text = fields.map do |key, value|
        "#{key}=#{value.is_a?(Numeric) ? value : value.to_s.inspect}"
      end
      write("event=#{[name, *text].join(' ')}\n")
    end

    # Logs an event that a peer without trust can cause as often as it likes. At most ten lines are
    # written in ten seconds; the next line says how many were left out.
    def self.complaint(name, fields = {})
      left_out = @complaints.allow or return
      event(name, left_out.zero? ? fields : fields.merge(left_out: left_out))
    end

    # Logs an exception with its causes and its whole backtrace.
    def self.exception(name, error, fields = {})
      event(name, fields.merge(exception: error.class.name, message: message_of(error)))
      write("#{describe(error)}\n")
    end

    # The #message of an application's exception may raise, too.
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

    # A log that cannot be written does not fail the request that logs. The application may have
    # replaced $stderr, or set an encoding that does not have all bytes.
    def self.write(text)
      $stderr.write(text)
    rescue EncodingError
      write_bytes(text)
    rescue StandardError
      nil
    end
    private_class_method :write

    def self.write_bytes(text)
      STDERR.syswrite(text)
    rescue IOError, SystemCallError
      nil
    end
    private_class_method :write_bytes
  end
end
