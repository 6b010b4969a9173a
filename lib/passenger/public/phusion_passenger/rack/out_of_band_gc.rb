# frozen_string_literal: true

module PhusionPassenger
  # Code for Rack applications. The rest of this library calls Rack itself `::Rack`.
  module Rack
    # A middleware: after each `frequency` requests of an instance the garbage is collected when the
    # answer was sent, so its client does not wait for that.
    #
    #   use PhusionPassenger::Rack::OutOfBandGc, strategy: :counting, frequency: 5
    #   use PhusionPassenger::Rack::OutOfBandGc, 5
    #
    # The strategy `:gctools_oobgc` asks the gem gctools instead of counting.
    class OutOfBandGc
      HEADER = "!~request-oob-work"
      private_constant :HEADER

      # OutOfBandGc.new(app, strategy:, frequency:, logger:) or OutOfBandGc.new(app, frequency,
      # logger = nil).
      def initialize(app, options = {}, logger = nil)
        unless options.is_a?(Hash)
          options = { strategy: :counting, frequency: options, logger: logger }
        end
        @app = app
        @logger = options[:logger]
        case options[:strategy]
        when :counting then count(options[:frequency])
        when :gctools_oobgc then use_gctools
        else
          raise ArgumentError, "OutOfBandGc has the strategy #{options[:strategy].inspect}: " \
                               "it needs :counting or :gctools_oobgc"
        end
      end

      def call(env)
        status, headers, body = @app.call(env)
        headers = headers.merge(HEADER => "true") if @due.call
        [status, headers, body]
      end

      private

      def count(frequency)
        unless frequency.is_a?(Integer) && frequency.positive?
          raise ArgumentError, "OutOfBandGc has the frequency #{frequency.inspect}: " \
                               "it needs a number of requests, at least 1"
        end
        lock = Mutex.new
        requests = 0
        @due = -> { lock.synchronize { (requests = (requests + 1) % frequency).zero? } }
        on_work { collect }
      end

      def use_gctools
        unless defined?(::GC::OOB) && ::GC::OOB.respond_to?(:dry_run)
          raise "OutOfBandGc with the strategy :gctools_oobgc needs GC::OOB.dry_run of the gem " \
                "gctools: require \"gctools/oobgc\", and call GC::OOB.setup before"
        end
        @due = -> { ::GC::OOB.dry_run }
        on_work { ::GC::OOB.run }
      end

      # An application may have switched the garbage collection off.
      def collect
        disabled = GC.enable
        GC.start
      ensure
        GC.disable if disabled
      end

      def on_work
        PhusionPassenger.on_event(:oob_work) do
          begun = Process.clock_gettime(Process::CLOCK_MONOTONIC)
          yield
          seconds = Process.clock_gettime(Process::CLOCK_MONOTONIC) - begun
          @logger&.info("Out Of Band GC finished in #{seconds.round(6)} sec")
        end
      end
    end
  end
end
