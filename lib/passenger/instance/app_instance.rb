# frozen_string_literal: true

require_relative "../app/app_process"
require_relative "channels"
require_relative "../app/fork_guard"
require_relative "handover"
require_relative "heartbeat"
require_relative "intake"
require_relative "max_requests"
require_relative "refork"
require_relative "request_handler"
require_relative "../app/signals"
require_relative "../base/monotonic_clock"

module PhusionPassenger
  # A process that serves requests, from SERVE to its end. The main thread owns it and waits for the
  # end, the control thread reads the control socket, and the handler threads take requests.
  class AppInstance
    FINISH_WITHIN = Frame::Control::FINISH_SECONDS
    # Names of steps of a start in reports.
    STARTING_HOOKS = "starting hooks"
    STARTING_THREADS = "starting threads"

    # `forked`: a preloader forked this process; the application's hooks are told. `finish_within`:
    # seconds that requests in work have at the end.
    def initialize(control, app, forked:, finish_within: FINISH_WITHIN)
      @control = control
      @app = app
      @forked = forked
      @finish_within = finish_within
      @endings = Thread::Queue.new
      @channels = Channels.new(control)
      @handlers = []
      @threads = []
      # Handler threads and the heartbeat wait here until the instance is ready.
      @gate = Thread::Queue.new
    end

    # Returns after the last request; the caller then lets the process end.
    def run
      finish if serve
    end

    private

    # Waits for the end, for example of the agent. False: there was nothing to serve, or the hooks
    # failed.
    def serve
      frame = @control.read
      return if frame.nil? || frame.type == Frame::Control::FINISH
      unless frame.type == Frame::Control::SERVE
        raise ProtocolError, "frame #{frame.type} instead of SERVE"
      end

      prepared = prepare(frame) or return
      # The next SERVE, which ends the warm-up, may come at once.
      warms_up = @warm_up
      # READY goes first: the agent supposes that an instance has no request before READY.
      @control.write(Frame::Control::READY)
      @gate.close unless warms_up
      await_end
      prepared
    rescue Errno::EPIPE, Errno::ECONNRESET
      prepared
    end

    # Ruby raises here what ends an application's thread by `exit`, or with abort_on_exception. The
    # requests in work go on.
    def await_end
      @endings.pop
    rescue Exception => e # rubocop:disable Lint/RescueException
      note_end("main", e)
    end

    # Nil: the application's hooks failed, and the failure is reported.
    def prepare(frame)
      take(frame)
      @step = STARTING_HOOKS
      ForkGuard.install { let_go }
      Hooks.call(:starting_worker_process, @forked)
      Signals.on_end { |name| @endings << name }
      Signals.print_backtraces_on_quit
      Hooks.call(:after_installing_signal_handlers)
      @adapter = RackAdapter.new(@app, @thread_count)
      start_handlers
      @step = STARTING_THREADS
      @warm_up = start_warm_up if frame.fields[8] == "1"
      named_thread("Passenger control") { read_control_socket }
      @heartbeat.start(@gate)
      true
    rescue ProtocolError
      raise
    rescue Exception => e # rubocop:disable Lint/RescueException
      Failure.report(@control, "instance.start_failed", @step, e)
      nil
    end

    def take(frame)
      handover = Handover.from(frame)
      @thread_count = handover.threads
      @intake = intake_of(handover)
      group = frame.text(2).dup.force_encoding(Encoding::UTF_8)
      limit = frame.fields[3] ? frame.number(3) : 0
      @max_requests = max_requests(limit, frame.fields[5] ? frame.number(5) : 0)
      @heartbeat = Heartbeat.new(@control, frame.fields[6] ? frame.number(6) : 0)
      Log.app = group
      AppProcess.title("RubyApp", group)
    end

    def intake_of(handover)
      Intake.new(handover) { tell(Frame::Control::PAUSE, 1) }
    end

    # Nil: requests need not be counted.
    def max_requests(limit, warm_after)
      return if limit.zero? && warm_after.zero?

      warm = -> { tell(Frame::Control::WARM) }
      MaxRequests.new(limit, warm_after: warm_after, warm: warm) do
        tell(Frame::Control::LIMIT_REACHED)
      end
    end

    # Returns when the hook of each thread has run. The threads take requests when the gate opens.
    def start_handlers
      results = Thread::Queue.new
      @step = STARTING_THREADS
      @thread_count.times do |index|
        @threads << named_thread("Passenger handler #{index}") do
          next unless begun?(results)

          @gate.pop
          handle_requests(index, @intake)
        end
      end
      @step = STARTING_HOOKS
      @thread_count.times { results.pop&.then { |error| raise error } }
    end

    def handle_requests(index, intake)
      handler = RequestHandler.new(
        intake: intake, index: index, channels: @channels, adapter: @adapter,
        max_requests: @max_requests
      )
      @handlers << handler
      handler.run
    end

    # The requests of PassengerWarmUp come by a queue of their own. The handlers wait for the next
    # SERVE meanwhile. A request that hangs must not keep one of them, so it has this thread.
    def start_warm_up
      intake = @intake
      named_thread("Passenger warm-up") do
        Hooks.call(:starting_request_handler_thread)
        handle_requests(0, intake)
      ensure
        intake.let_go
      end
    end

    # A request without a whole answer ends with its thread. What the application does behind an
    # answer goes on.
    def end_warm_up(handover)
      former, @intake = @intake, intake_of(handover)
      @intake.finish if @finishing
      @warmed_up, @warm_up = @warm_up, nil
      former.finish
      @warmed_up.kill if @handlers.empty? || @handlers.any?(&:answering?)
      @handlers.clear
      @gate.close
    end

    # `results` gets nil, or what the hook has raised. A hook may also end its thread.
    def begun?(results)
      error = ThreadError.new("a hook of starting_request_handler_thread ended its thread")
      Hooks.call(:starting_request_handler_thread)
      error = nil
      true
    rescue Exception => e # rubocop:disable Lint/RescueException
      error = e
      false
    ensure
      results << error
    end

    # The end of any thread ends the instance, that of the warm-up only before the next SERVE.
    def named_thread(name)
      Thread.new do
        Thread.current.name = name
        Thread.current.report_on_exception = false
        yield
      rescue Exception => e # rubocop:disable Lint/RescueException
        note_end(name, e)
      ensure
        @endings << name unless Thread.current.equal?(@warmed_up)
      end
    end

    # `exit` is no failure.
    def note_end(thread, error)
      Log.exception("instance.thread_failed", error, thread: thread) unless error.is_a?(SystemExit)
    end

    # Goes on after FINISH, because a request in work may still need a channel.
    def read_control_socket
      while (frame = @control.read)
        handle(frame)
      end
    rescue ProtocolError => e
      Log.event("control.broken", reason: e.message)
    ensure
      @channels.stop
    end

    def handle(frame)
      case frame.type
      when Frame::Control::FINISH then @endings << "FINISH"
      when Frame::Control::SERVE then serve_anew(frame)
      when Frame::Control::CHANNEL then add_channel(frame)
      when Frame::Control::NO_CHANNEL then @channels.refuse(frame.number(0))
      when Frame::Control::PAUSE then pause_or_resume(frame)
      when Frame::Control::REFORK then refork(frame)
      when Frame::Control::DROP then drop_channels(frame)
      when Frame::Control::THREADS then tell_threads(frame)
      else
        frame.close_descriptors
        Log.event("control.unexpected_frame", type: frame.type)
      end
    end

    def add_channel(frame)
      return @channels.add(frame.number(0), *frame.take_descriptors(1)) if frame.descriptors.any?

      # No request of it is begun: its child sends it again.
      Log.complaint("channel.not_received", remedy: "a higher limit of open files")
      tell(Frame::Control::NO_CHANNEL, frame.number(0))
      @channels.refuse(frame.number(0))
    end

    # The requests of PassengerWarmUp are over; or the pool process has ended, and this is its
    # successor. READY goes first, as in `serve`.
    def serve_anew(frame)
      handover = Handover.from(frame)
      if handover.threads != @thread_count
        raise ProtocolError, "SERVE names #{handover.threads} threads instead of #{@thread_count}"
      end

      @channels.forget
      tell(Frame::Control::READY)
      @max_requests&.remind
      @warm_up ? end_warm_up(handover) : @intake.replace(handover)
    end

    def refork(frame)
      Refork.new(@app, @intake, @thread_count).start(*frame.take_descriptors(2))
    end

    def drop_channels(frame)
      frame.fields.each_index { |index| @channels.drop(frame.number(index)) }
    end

    def tell_threads(frame)
      return tell(Frame::Control::THREADS, Backtraces.text) if frame.fields.empty?

      Backtraces.print
    end

    # The last thread that becomes idle reports the pause.
    def pause_or_resume(frame)
      case frame.text(0)
      when "1" then @intake.pause
      when "0" then @intake.resume and tell(Frame::Control::PAUSE, 0)
      else raise ProtocolError, "PAUSE with #{frame.text(0).inspect}"
      end
    end

    # From any thread. The control thread notices the end of the agent.
    def tell(type, *fields)
      @control.write(type, *fields)
    rescue SystemCallError, IOError
      nil
    end

    def finish
      @finishing = true
      @intake&.finish
      @gate.close
      join_threads(MonotonicClock.now + @finish_within)
      # Nothing waits for a request of PassengerWarmUp.
      busy = @warm_up ? [] : @handlers.select(&:busy?)
      Log.event("instance.gave_up_waiting", requests: busy.size) if busy.any?
      @handlers.each(&:abandon)
      Hooks.call_all(:stopping_worker_process)
    end

    # What ends another thread of the application, as in await_end, does not end the wait.
    def join_threads(deadline)
      @threads.each { |thread| thread.join([deadline - MonotonicClock.now, 0].max) }
    rescue Exception => e # rubocop:disable Lint/RescueException
      note_end("main", e)
      retry
    end

    # In a process that the application forked.
    def let_go
      @intake.let_go
      @handlers.each(&:let_go)
      @channels.close_all
      Reply.close_hijacked
      @control.close
      @handlers = @threads = [] # their buffers are large
      Signals.restore
    end
  end
end
