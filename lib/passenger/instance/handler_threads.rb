# frozen_string_literal: true

require_relative "../base/hooks"
require_relative "intake"
require_relative "../base/log"
require_relative "../base/monotonic_clock"
require_relative "../rack/rack_adapter"
require_relative "request_handler"

module PhusionPassenger
  # The threads of an instance, which take requests and answer them. The end of any of them ends the
  # instance. The main thread owns it; the control thread calls `replace`.
  class HandlerThreads
    # Whether requests are taken. Another one from the end of PassengerWarmUp on.
    attr_reader :intake
    # Handler threads and the heartbeat wait at this queue until the instance is ready, and the
    # warm-up is over.
    attr_reader :gate

    # The block is called when an intake that is paused has become idle.
    def initialize(app, handover, channels, max_requests, &idle)
      @app = app
      @first = handover.serve
      @channels = channels
      @max_requests = max_requests
      @tell_idle = idle
      @intake = Intake.new(handover, &idle)
      @handlers = []
      @threads = []
      @gate = Thread::Queue.new
      @begun = Thread::Queue.new
      @endings = Thread::Queue.new
    end

    def prepare
      @adapter = RackAdapter.new(@app, @first.threads)
      @first.threads.times do |index|
        @threads << start("Passenger handler #{index}") do
          next unless begun?

          @gate.pop
          handle_requests(index, @intake)
        end
      end
    end

    # Returns when the hook of each handler thread has run. Raises what a hook has raised.
    def await_hooks
      @threads.each { @begun.pop&.then { |error| raise error } }
    end

    # The requests of PassengerWarmUp come by a queue of their own. The handlers wait for the next
    # SERVE meanwhile. A request that hangs must not keep one of them, so it has this thread.
    def warm_up
      intake = @intake
      @warm_up = start("Passenger warm-up") do
        Hooks.call(:starting_request_handler_thread)
        handle_requests(0, intake)
      ensure
        intake.let_go
      end
    end

    # The end of any thread ends the instance, that of the warm-up only before the next SERVE.
    def start(name)
      Thread.new do
        Thread.current.name = name
        Thread.current.report_on_exception = false
        yield
      rescue Exception => e # rubocop:disable Lint/RescueException
        note_end(name, e)
      ensure
        stop unless Thread.current.equal?(@warmed_up)
      end
    end

    # Returns when the instance is to end. Ruby raises here what ends an application's thread by
    # `exit`, or with abort_on_exception. The requests in work go on.
    def run
      # The next SERVE, which ends the warm-up, may be there already.
      @gate.close unless @first.warms_up
      @endings.pop
    rescue Exception => e # rubocop:disable Lint/RescueException
      note_end("main", e)
    end

    # From any thread, and from a signal's handler.
    def stop
      @endings << true
    end

    # The requests of PassengerWarmUp are over, or another pool process serves.
    def replace(handover)
      @warm_up ? end_warm_up(handover) : @intake.replace(handover)
    end

    # Waits so many seconds for the requests in work. Returns the number of those that are left.
    def finish(within)
      @finishing = true
      @intake.finish
      @gate.close
      join(MonotonicClock.now + within)
      # Nothing waits for a request of PassengerWarmUp.
      left = @warm_up ? 0 : @handlers.count(&:busy?)
      @handlers.each(&:abandon)
      left
    end

    # In a process that the application forked.
    def let_go
      @intake.let_go
      @handlers.each(&:let_go)
      @handlers = @threads = [] # their buffers are large
    end

    private

    # A hook may also end its thread.
    def begun?
      error = ThreadError.new("a hook of starting_request_handler_thread ended its thread")
      Hooks.call(:starting_request_handler_thread)
      error = nil
      true
    rescue Exception => e # rubocop:disable Lint/RescueException
      error = e
      false
    ensure
      @begun << error
    end

    def handle_requests(index, intake)
      handler = RequestHandler.new(intake: intake, index: index, channels: @channels,
                                   adapter: @adapter, max_requests: @max_requests)
      @handlers << handler
      handler.run
    end

    # A request without a whole answer ends with its thread. What the application does behind an
    # answer goes on.
    def end_warm_up(handover)
      former, @intake = @intake, Intake.new(handover, &@tell_idle)
      @intake.finish if @finishing
      @warmed_up, @warm_up = @warm_up, nil
      former.finish
      @warmed_up.kill if @handlers.empty? || @handlers.any?(&:answering?)
      @handlers.clear
      @gate.close
    end

    # `exit` is no failure.
    def note_end(thread, error)
      Log.exception("instance.thread_failed", error, thread: thread) unless error.is_a?(SystemExit)
    end

    # What ends another thread of the application, as in `run`, does not end the wait.
    def join(deadline)
      @threads.each { |thread| thread.join([deadline - MonotonicClock.now, 0].max) }
    rescue Exception => e # rubocop:disable Lint/RescueException
      note_end("main", e)
      retry
    end
  end
end
