# frozen_string_literal: true

require_relative "../app/app_loader"
require_relative "../app/app_process"
require_relative "connection_queue"
require_relative "../app/fork_guard"
require_relative "../app/heap_room"
require_relative "http_parser"
require_relative "http_server"
require_relative "../base/log"
require_relative "prefork_report"
require_relative "../app/signals"
require_relative "../base/hooks"
require_relative "worker_loads"

module PhusionPassenger
  # A worker of passenger-prefork: loads the application and serves it from inherited sockets.
  #
  # Its arguments are NAME=VALUE. Descriptors: listeners; queue (the taking and the giving end);
  # loads; output (for what the application prints). Seconds: acknowledge, idle_timeout,
  # request_timeout, write_timeout, answer_timeout. Others: app_root, environment, startup_file.
  class PreforkWorker
    # Receives the reports of AppLoader. AppLoader logs events itself, so only the text of a failure
    # is written.
    class Reports
      def write(type, *fields)
        warn(fields.last) if type == Frame::Control::FAILED
      end

      # Of a process that may not wait (Failure).
      def write_at_once(type, *fields)
        return unless type == Frame::Control::FAILED

        STDERR.write_nonblock("#{fields.last}\n", exception: false)
      end
    end

    # Of what the monitor and its workers tell each other: RackPreFork.cpp has it, too.
    PROTOCOL = "1"

    def initialize(arguments)
      @options = arguments.to_h { |argument| argument.split("=", 2) }
    end

    # Returns when the worker is to end.
    def run
      check_protocol
      # Until the server runs, a signal ends the process at once.
      Signals.on_end { exit!(0) }
      Signals.leave_to_monitor
      end_with_monitor
      report = PreforkReport.new(protocol_output, seconds("acknowledge", 0))
      AppProcess.sync_output
      parser = HttpParser.find
      app = AppLoader.new(Reports.new, @options).load or exit(1)
      server = HttpServer.new(listeners, queue, loads, app, report, HttpParser.load(parser), limits)
      HeapRoom.make
      begin_work(server, report)
      server.run
      Hooks.call_all(:stopping_worker_process)
    rescue Errno::EPIPE
      Log.event("prefork.gone")
    rescue LoadError => e
      Log.event("worker.failed", reason: e.message)
      exit(1)
    rescue ThreadError => e
      Failure.report(Reports.new, "worker.failed", "starting threads", e)
      exit(1)
    end

    private

    # An upgrade replaces this file while the monitor runs on. The first release told none.
    def check_protocol
      return if @options.fetch("protocol", "1") == PROTOCOL

      raise LoadError, "the files are of another version than passenger-prefork: restart it (USR2)"
    end

    # The end of the monitor closes the standard input. The kernel sends a signal, too
    # (PR_SET_PDEATHSIG), but a process can disable that.
    def end_with_monitor
      input = STDIN.dup # rubocop:disable Style/GlobalStdStream
      Thread.new do
        Thread.current.name = "passenger: monitor's end"
        input.read
        exit!(1)
      end
    end

    def begin_work(server, report)
      report.title = "Passenger prefork worker: #{@options.fetch('app_root')}"
      report.show_requests
      ForkGuard.install { [server, report].each(&:close) && Signals.restore }
      Hooks.call(:starting_worker_process, false)
      Signals.on_end { server.finish }
      Signals.print_backtraces_on_quit
      Hooks.call(:after_installing_signal_handlers)
      Hooks.call(:starting_request_handler_thread)
      report.free
    end

    # The pipe to the monitor gets another descriptor, and the application gets another descriptor
    # 1. So nothing that the application prints is a message.
    def protocol_output
      words = STDOUT.dup # rubocop:disable Style/GlobalStdStream
      output = IO.for_fd(@options.fetch("output").to_i, "w")
      STDOUT.reopen(output) # rubocop:disable Style/GlobalStdStream
      output.close
      words.tap { |io| io.sync = true }
    end

    def listeners
      sockets("listeners")
    end

    def queue
      ConnectionQueue.new(*sockets("queue"))
    end

    def loads
      file = File.for_fd(@options.fetch("loads").to_i, "r+b")
      file.close_on_exec = true
      WorkerLoads.new(file)
    end

    def sockets(name)
      @options.fetch(name).split(",").map do |number|
        Socket.for_fd(number.to_i).tap { |socket| socket.close_on_exec = true }
      end
    end

    def limits
      base = HttpServer::LIMITS
      HttpServer::Limits.new(
        idle: seconds("idle_timeout", base.idle), request: seconds("request_timeout", base.request),
        patience: seconds("write_timeout", base.patience),
        answer: seconds("answer_timeout", base.answer),
        connections: base.connections, sweep: base.sweep
      )
    end

    def seconds(name, default)
      @options[name]&.to_f || default
    end
  end
end

PhusionPassenger::PreforkWorker.new(ARGV).run if $PROGRAM_NAME == __FILE__
