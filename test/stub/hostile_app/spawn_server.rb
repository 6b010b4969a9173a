# frozen_string_literal: true

# Runs in place of a user's spawn server: PassengerDefaultRuby is a wrapper that executes it, as
# `spawn_server.rb SCRIPT USER`. While the file LIES, beside this one, has a line, each START is
# answered with that lie; then the file LIES.told says what came of it. Without a line it does what
# SCRIPT does.
#
# started PID PARENT   names the pid as the new process, and another one as its keeper
# credentials PID      the frame FORKED comes with SCM_CREDENTIALS of that pid, and of root
# gate SOCKET          a process outside of the agent, which listens there, gets the gate
# status               the process's wait status is no number; it starts
# descriptor           the answer comes with a descriptor
# garbage              the answer is no frame
# hello                a child says HELLO. Told at the spawn server's start

require "socket"

script, user = ARGV
ARGV.clear
load script

class HostileSpawnServer < PhusionPassenger::SpawnServer
  LIES = File.expand_path("LIES", __dir__)
  SPAWN = PhusionPassenger::Frame::Spawn

  def run
    return super unless lie.first == "hello"

    told("hello")
    Process.wait(fork { @control.write(SPAWN::HELLO, PhusionPassenger::Frame::VERSION, 1, "3") })
    sleep 60
  end

  private

  def lie
    File.read(LIES).split
  rescue Errno::ENOENT
    []
  end

  def told(what)
    File.write("#{LIES}.told", what)
  end

  def answer(frame)
    what, *values = lie
    what ? send("tell_#{what}", frame, *values) : super
  ensure
    frame.close_descriptors
  end

  def tell_started(_frame, pid, parent)
    @control.write(SPAWN::STARTED, pid, parent, "0")
    told("started")
  end

  def tell_credentials(frame, pid)
    gate = PhusionPassenger::FrameSocket.new(frame.take_descriptors(5).last)
    bytes = PhusionPassenger::Frame.new(SPAWN::FORKED).encode
    sent = [[pid.to_i, Process.uid, Process.gid], [Process.pid, 0, 0]].count do |ids|
      credentials = Socket::AncillaryData.new(:UNIX, :SOCKET, :CREDENTIALS, ids.pack("iII"))
      gate.io.sendmsg(bytes, 0, nil, credentials)
    rescue Errno::EPERM
      false
    end
    told("credentials #{sent} sent")
    gate.close
    @control.write(SPAWN::FAILED, "process forked", "it lied")
  end

  # That process's answer tells what the agent said to it.
  def tell_gate(frame, path)
    gate = frame.take_descriptors(5).last
    said = UNIXSocket.open(path) do |socket|
      socket.send_io(gate)
      gate.close
      socket.read
    end
    told("gate #{said}")
    @control.write(SPAWN::FAILED, "process forked", "it lied")
  end

  def tell_status(frame)
    ends = frame.take_descriptors(5)
    3.times { ends[2].syswrite("99999999999999999999 root\n") }
    told("status")
    @control.write(SPAWN::STARTED, *start(frame, *ends))
  rescue PhusionPassenger::SpawnServer::StartFailed => e
    @control.write(SPAWN::FAILED, e.step, e.message)
  end

  def tell_descriptor(_frame)
    @control.write(SPAWN::STARTED, "1", "1", "0", descriptors: [$stdin])
    told("descriptor sent")
  rescue Errno::EPERM
    told("descriptor refused")
    @control.write(SPAWN::FAILED, "process forked", "it lied")
  end

  def tell_garbage(_frame)
    told("garbage")
    @control.io.write("\xFF" * 100_000)
  end
end

$PROGRAM_NAME = "Passenger spawn server"
HostileSpawnServer.main(user)
