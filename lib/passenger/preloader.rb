# frozen_string_literal: true

require_relative "app_process"
require_relative "app_instance"

module PhusionPassenger
  # Holds an application loaded and forks instances of it. It never has a queue, a channel or claims.
  class Preloader
    def initialize(control, app)
      @control = control
      @app = app
    end

    # Until the control socket ends.
    def run
      Signals.on_end { exit }
      prepare_memory
      @control.write(Frame::Control::LOADED)
      while (frame = @control.read)
        case frame.type
        when Frame::Control::FORK then fork_instance(*frame.take_descriptors(2))
        when Frame::Control::FINISH then break
        else
          frame.close_descriptors
          Log.event("control.unexpected_frame", type: frame.type)
        end
      end
    end

    private

    # What instances will share should not change any more. Database connections are not to be shared.
    def prepare_memory
      disconnect_databases if defined?(::ActiveRecord::Base)
      Process.respond_to?(:warmup) ? Process.warmup : GC.start
    end

    def disconnect_databases
      ::ActiveRecord::Base.connection_handler.clear_all_connections!
    rescue StandardError => e
      Log.exception("preloader.disconnect_failed", e)
    end

    def fork_instance(socket, output)
      pid = fork { become_instance(socket, output) }
      Process.detach(pid)
      @control.write(Frame::Control::FORKED, pid)
    rescue SystemCallError => e
      Failure.report(@control, "instance.fork_failed", "instance forked", e)
    ensure
      socket.close
      output.close
    end

    def become_instance(socket, output)
      STDOUT.reopen(output) # rubocop:disable Style/GlobalStdStream
      STDERR.reopen(output) # rubocop:disable Style/GlobalStdStream
      AppProcess.sync_output
      output.close
      @control.close
      Random.srand
      AppProcess.title("RubyApp", Log.app)
      control = FrameSocket.new(socket)
      control.write(Frame::Control::HELLO, Process.pid)
      AppInstance.new(control, @app, forked: true).run
    end
  end
end

if __FILE__ == $PROGRAM_NAME
  PhusionPassenger::AppProcess.start("AppPreloader") do |control, app|
    PhusionPassenger::Preloader.new(control, app).run
  end
end
