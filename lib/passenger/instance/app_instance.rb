# frozen_string_literal: true

require_relative "../app/app_process"
require_relative "channels"
require_relative "../app/fork_guard"
require_relative "handler_threads"
require_relative "handover"
require_relative "heartbeat"
require_relative "max_requests"
require_relative "refork"
require_relative "../app/signals"

module PhusionPassenger
  # A process that serves requests, from SERVE to its end. The main thread owns it and waits for the
  # end, the control thread reads the control socket, and HandlerThreads take requests.
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
      @channels = Channels.new(control)
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
      # READY goes first: the agent supposes that an instance has no request before READY.
      @control.write(Frame::Control::READY)
      @threads.run
      prepared
    rescue Errno::EPIPE, Errno::ECONNRESET
      prepared
    end

    # Nil: the application's hooks failed, and the failure is reported.
    def prepare(frame)
      take(Handover.new(frame))
      @step = STARTING_HOOKS
      ForkGuard.install { let_go }
      Hooks.call(:starting_worker_process, @forked)
      Signals.on_end { @threads.stop }
      Signals.print_backtraces_on_quit
      Hooks.call(:after_installing_signal_handlers)
      start_threads
      true
    rescue ProtocolError, SignalException
      raise
    rescue Exception => e # rubocop:disable Lint/RescueException
      Failure.report(@control, "instance.start_failed", @step, e)
      nil
    end

    def take(handover)
      @first = handover.serve
      @max_requests = max_requests(@first.max_requests, @first.refork_after)
      @threads = HandlerThreads.new(@app, handover, @channels, @max_requests) do
        tell(Frame::Control::PAUSE, 1)
      end
      Log.app = @first.app
      AppProcess.title("RubyApp", @first.app)
    end

    # Nil: requests need not be counted.
    def max_requests(limit, warm_after)
      return if limit.zero? && warm_after.zero?

      warm = -> { tell(Frame::Control::WARM) }
      MaxRequests.new(limit, warm_after: warm_after, warm: warm) do
        tell(Frame::Control::LIMIT_REACHED)
      end
    end

    def start_threads
      @step = STARTING_THREADS
      @threads.prepare
      @step = STARTING_HOOKS
      @threads.await_hooks
      @step = STARTING_THREADS
      @threads.warm_up if @first.warms_up
      @refork = Refork.new(@app, @first.threads) if @first.refork_after.positive?
      @threads.start("Passenger control") { read_control_socket }
      Heartbeat.new(@control, @first.heartbeat_interval).start(@threads.gate)
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
      when Frame::Control::FINISH then @threads.stop
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
      handover = Handover.new(frame)
      threads = handover.serve.threads
      if threads != @first.threads
        raise ProtocolError, "SERVE names #{threads} threads instead of #{@first.threads}"
      end

      @channels.forget
      tell(Frame::Control::READY)
      @max_requests&.remind
      @threads.replace(handover)
    end

    def refork(frame)
      @refork.start(@threads.intake, *frame.take_descriptors(2))
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
      when "1" then @threads.intake.pause
      when "0" then @threads.intake.resume and tell(Frame::Control::PAUSE, 0)
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
      left = @threads.finish(@finish_within)
      Log.event("instance.gave_up_waiting", requests: left) if left.positive?
      Hooks.call_all(:stopping_worker_process)
    end

    # In a process that the application forked.
    def let_go
      @threads.let_go
      @channels.close_all
      Reply.close_hijacked
      @control.close
      Signals.restore
    end
  end
end
