# frozen_string_literal: true

# An older Ruby does not understand the files below.
if RUBY_VERSION.to_f < 2.7
  abort "mod_passenger needs Ruby 2.7 or newer, and this is Ruby #{RUBY_VERSION}"
end

require_relative "preload_bundler"
require_relative "app_loader"
require_relative "../wire/frame_socket"
require_relative "../wire/layout"
require_relative "../base/hooks"
require_relative "../base/log"
require_relative "../base/native"
require_relative "signals"

module PhusionPassenger
  # The start of each preloader and instance: control socket as descriptor 3, HELLO, LOAD, the
  # application.
  module AppProcess
    CONTROL_DESCRIPTOR = 3

    # Yields the control socket and the application. Ends the process with status 1 if the
    # application cannot be loaded.
    def self.start(role)
      sync_output
      Signals.print_backtraces_on_quit
      Signals.outlive_hangups
      control = FrameSocket.for_fd(CONTROL_DESCRIPTOR)
      until_the_end do
        control.write(Frame::Control::HELLO, Process.pid)
        options = options_from(control) or exit
        Log.app = options["app_group_name"]
        check_version(options["layout_version"])
        title(role, Log.app)
        app = AppLoader.new(control, options).load or exit(1)
        yield control, app
      end
    end

    # Runs the block, which uses the control socket. The block ends early if the agent closes the
    # socket; a protocol error ends the process with status 1.
    def self.until_the_end
      yield
    rescue Errno::EPIPE, Errno::ECONNRESET
      Log.event("agent.gone")
    rescue ProtocolError => e
      Log.event("control.broken", reason: e.message)
      exit(1)
    end

    # For a process that was just forked from a process with the application loaded. Gives the new
    # process its own output and control socket, and sends HELLO.
    def self.begin_anew(role, socket, output)
      STDOUT.reopen(output) # rubocop:disable Style/GlobalStdStream
      STDERR.reopen(output) # rubocop:disable Style/GlobalStdStream
      sync_output
      output.close
      Random.srand
      title(role, Log.app)
      FrameSocket.new(socket).tap { |control| control.write(Frame::Control::HELLO, Process.pid) }
    end

    # From now on this process runs no handlers of its end (at_exit) and no finalizers. Processes
    # forked from it have those of the application, too, and may still use what they remove, such as
    # a Tempfile.
    def self.end_for_itself
      return if @ends_for_itself == Process.pid

      @ends_for_itself = pid = Process.pid
      at_exit do
        next unless Process.pid == pid

        warn $!.full_message if $!.is_a?(StandardError)
        exit!(true)
      end
    end

    def self.title(role, group)
      $PROGRAM_NAME = "Passenger #{role}: #{group}"
    end

    # Not $stdout and $stderr: an application may have replaced them.
    def self.sync_output
      STDOUT.sync = true # rubocop:disable Style/GlobalStdStream
      STDERR.sync = true # rubocop:disable Style/GlobalStdStream
    end

    def self.options_from(control)
      frame = control.read
      return nil if frame.nil? || frame.type == Frame::Control::FINISH
      unless frame.type == Frame::Control::LOAD
        raise ProtocolError, "frame #{frame.type} instead of LOAD"
      end

      frame.map.transform_values { |value| value.force_encoding(Encoding.default_external) }
    end
    private_class_method :options_from

    # During an upgrade an agent of another version may start these files. Its requests would all
    # fail; if the start fails, instances of before go on.
    def self.check_version(agents)
      return if agents.nil? || agents == Layout::VERSION.to_s

      raise ProtocolError, "the agent has version #{agents} of the layouts, the installed files " \
                           "have #{Layout::VERSION}: reload httpd"
    end
    private_class_method :check_version
  end
end
