# frozen_string_literal: true

require_relative "../app/app_loader"
require_relative "../app/app_process"
require_relative "connection_queue"
require_relative "../app/fork_guard"
require_relative "../app/heap_room"
require_relative "../app/hooks"
require_relative "http_parser"
require_relative "http_server"
require_relative "../base/log"
require_relative "prefork_report"
require_relative "../app/signals"
require_relative "worker_loads"

module PhusionPassenger
  # A worker of passenger-prefork: loads the application, and serves it from sockets that it inherits. Told by arguments, NAME=VALUE each:
  # listeners, line, loads and output (descriptors; of the line, where to take and where to give; output: for what the application prints), app_root, environment, startup_file, acknowledge, idle_timeout, request_timeout, write_timeout,
  # answer_timeout (seconds).
  class PreforkWorker
    # Where AppLoader reports to: what is worth a line has been logged, but for a failure's whole text.
    class Reports
      def write(type, *fields)
        warn(fields.last) if type == Frame::Control::FAILED
      end
    end

    def initialize(arguments)
      @options = arguments.to_h { |argument| argument.split("=", 2) }
    end

    # Returns when the worker is to end.
    def run
      # Until there is something to finish.
      Signals.on_end { exit!(0) }
      Signals.leave_to_monitor
      end_with_monitor
      report = PreforkReport.new(protocol_output, seconds("acknowledge", 0))
      AppProcess.sync_output
      parser = HttpParser.find
      app = AppLoader.new(Reports.new, @options).load or exit(1)
      server = HttpServer.new(listeners, line, loads, app, report, HttpParser.load(parser), limits)
      HeapRoom.make
      begin_work(server, report)
      server.run
      Hooks.call_all(:stopping_worker_process)
    rescue Errno::EPIPE
      Log.event("prefork.gone")
    rescue LoadError => e
      Log.event("worker.failed", reason: e.message)
      exit(1)
    end

    private

    # Whose end closes the standard input. The kernel's signal (PR_SET_PDEATHSIG) comes besides; but a process can do without that.
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
      report.free
    end

    # The monitor's pipe of words gets another descriptor, and the application another descriptor 1: whatever it prints, no byte of it is a word.
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

    def line
      ConnectionQueue.new(*sockets("line"))
    end

    def loads
      WorkerLoads.new(File.for_fd(@options.fetch("loads").to_i, "r+b").tap { |file| file.close_on_exec = true })
    end

    def sockets(name)
      @options.fetch(name).split(",").map { |number| Socket.for_fd(number.to_i).tap { |socket| socket.close_on_exec = true } }
    end

    def limits
      base = HttpServer::LIMITS
      HttpServer::Limits.new(idle: seconds("idle_timeout", base.idle), request: seconds("request_timeout", base.request),
                             patience: seconds("write_timeout", base.patience), answer: seconds("answer_timeout", base.answer),
                             connections: base.connections, sweep: base.sweep)
    end

    def seconds(name, default)
      @options[name]&.to_f || default
    end
  end
end

PhusionPassenger::PreforkWorker.new(ARGV).run if $PROGRAM_NAME == __FILE__
