# frozen_string_literal: true

require_relative "../app/app_process"
require_relative "../instance/app_instance"
require_relative "../app/databases"
require_relative "../app/shared_heap"
require_relative "../base/limited_fork"
require_relative "wait_statuses"

module PhusionPassenger
  # Holds an application loaded and forks instances of it. A preloader has no queue, no channel and
  # no claims.
  class Preloader
    def initialize(control, app)
      @control = control
      @app = app
      @wait_statuses = WaitStatuses.new
    end

    # Runs until the control socket ends.
    def run
      Signals.end_by_default
      prepare_memory
      Signals.on_end { exit }
      @control.write(Frame::Control::LOADED)
      while (frame = @control.read)
        case frame.type
        when Frame::Control::FORK then fork_instance(*frame.take_descriptors(3))
        when Frame::Control::FINISH then break
        else
          frame.close_descriptors
          Log.event("control.unexpected_frame", type: frame.type)
        end
      end
    end

    private

    # Instances must not share database connections.
    def prepare_memory
      Databases.disconnect
      SharedHeap.settle
    end

    def fork_instance(socket, output, wait_status)
      pid = begin_instance(socket, output, wait_status)
      @control.write(Frame::Control::FORKED, pid)
    rescue SystemCallError, ThreadError => e
      Failure.report(@control, "instance.fork_failed", "instance forked", e)
    ensure
      socket.close
      output.close
    end

    # Without a task for the thread that awaits its end, the instance must not live. The report of
    # that ends this process.
    def begin_instance(socket, output, wait_status)
      pid = LimitedFork.call do
        wait_status.close
        become_instance(socket, output)
      end
      AppProcess.end_for_itself
      @wait_statuses.expect(pid, wait_status)
      await_end(pid)
      pid
    rescue ThreadError
      kill(pid) if pid
      raise
    rescue SystemCallError
      wait_status.close
      raise
    end

    def kill(pid)
      Process.kill(:KILL, pid)
    rescue Errno::ESRCH
      nil # it has just ended
    end

    # Waits in a thread for this child alone: the application may have children, and waits for them
    # itself.
    def await_end(pid)
      Thread.new do
        _, status = Process.wait2(pid)
      rescue Errno::ECHILD
        nil # the application has waited for it
      ensure
        @wait_statuses.tell(pid, status)
      end
    end

    def become_instance(socket, output)
      Signals.end_by_default
      @control.close
      @wait_statuses.forget
      control = AppProcess.begin_anew("RubyApp", socket, output)
      Databases.reconnect
      AppInstance.new(control, @app, forked: true).run
    end
  end
end

if __FILE__ == $PROGRAM_NAME
  PhusionPassenger::AppProcess.start("AppPreloader") do |control, app|
    PhusionPassenger::Preloader.new(control, app).run
  end
end
