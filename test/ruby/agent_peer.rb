# frozen_string_literal: true

require "rbconfig"
require "timeout"
require_relative "peers"

module PhusionPassenger
  module Peers
    # Plays the agent to real processes. It starts the spawn server, has it start preloaders and
    # instances, and serves their control sockets. `close` ends all of them.
    class Agent
      # PASSENGER_LIB names a folder that other users can read, too.
      LIBRARY = ENV.fetch("PASSENGER_LIB") { File.expand_path("../../lib/passenger", __dir__) }
      SPAWN_SERVER = File.join(LIBRARY, "spawn/spawn_server.rb").freeze

      # Seconds. Ruby starts slowly on a busy machine.
      PATIENCE = 60

      # A process with its control socket, its output, the pipe of its wait status, and its keeper's
      # socket.
      Started = Struct.new(:pid, :control, :output, :wait_status, :boot) do
        def read
          Timeout.timeout(PATIENCE) { control.read }
        end

        # Returns the frames up to the first of the type.
        def read_until(type)
          frames = []
          frames << read until frames.last&.type == type || (frames.any? && frames.last.nil?)
          frames
        end

        def close
          control.close
          output.close
          wait_status.close
          boot&.close
        end

        def booted
          boot.write("\0")
          boot.close
        end

        def closed?
          output.closed?
        end
      end

      attr_reader :hello

      def read
        @socket.read
      end

      def answered?(seconds)
        !@socket.io.wait_readable(seconds).nil?
      end

      # `inherited`: descriptors that the spawn server gets beside its socket. `server`: its file.
      def initialize(*arguments, inherited: {}, server: SPAWN_SERVER)
        ours, theirs = Peers.pair(:STREAM)
        @pid = spawn(RbConfig.ruby, "-w", "--disable=gems", server, *arguments,
                     { 3 => theirs }.merge(inherited))
        theirs.close
        @socket = FrameSocket.new(ours)
        @hello = @socket.read
        @started = []
      end

      # With a block the process waits for the gate, which is the block's argument.
      def start(role, ruby: RbConfig.ruby, profile: false, environment: {})
        process, *theirs = prepare
        process.boot, boot = Peers.pair(:STREAM)
        theirs << boot
        gate, their_gate = Peers.pair(:STREAM) if block_given?
        theirs << their_gate if gate
        @socket.write(33, role, ruby, profile ? "1" : "0", *environment.flatten,
                      descriptors: theirs)
        their_gate&.close
        yield gate if gate
        answer = @socket.read
        process.pid = answer.fields[0].to_i if answer.type == 34
        [answer, process]
      ensure
        theirs.each(&:close)
      end

      # Has a preloader fork an instance.
      def fork_from(preloader)
        process, *theirs = prepare
        preloader.control.write(53, descriptors: theirs)
        answer = preloader.read
        process.pid = answer.fields[0].to_i if answer&.type == 54
        [answer, process]
      ensure
        theirs.each(&:close)
      end

      # Has an instance fork a preloader.
      def refork_from(instance)
        process, control, output, wait_status = prepare
        wait_status.close
        instance.control.write(81, descriptors: [control, output])
        process
      ensure
        [control, output].each(&:close)
      end

      # Waits for the end of the spawn server. Returns its exit status.
      def wait
        _, status = Timeout.timeout(PATIENCE) { Process.wait2(@pid) }
        @socket.close
        @pid = nil
        status.exitstatus
      end

      # Waits until the spawn server and all processes that it started have ended.
      def close
        @started.each { |process| process.close unless process.closed? }
        @socket.close
        Process.wait(@pid)
        @started.each { |process| wait_for_end(process.pid) if process.pid }
        @pid = nil
      end

      def closed?
        @pid.nil?
      end

      def wait_for_end(pid)
        Timeout.timeout(PATIENCE, nil, "process #{pid} did not end") do
          sleep 0.005 while alive?(pid)
        end
      end

      def alive?(pid)
        !File.read("/proc/#{pid}/stat").match?(/\) [ZX] /)
      rescue Errno::ENOENT, Errno::ESRCH
        false
      end

      private

      def prepare
        ours, control = Peers.pair(:STREAM)
        reader, output = IO.pipe
        status_reader, wait_status = IO.pipe
        process = Started.new(nil, FrameSocket.new(ours), reader, status_reader)
        @started << process
        [process, control, output, wait_status]
      end
    end
  end
end
