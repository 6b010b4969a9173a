# frozen_string_literal: true

require "socket"

# Lies about who a process is. While the file LIES has the name of a lie and a pid, each process
# that has loaded this file tells it; then the file LIES.told names it, too.
#
# hello         HELLO names the pid
# forked        so does FORKED, with which a preloader names its child
# credentials   HELLO comes with SCM_CREDENTIALS of the pid, and of root, where the kernel lets it
# child         a child sends HELLO, as another process would
# ready         frames of other roles, which name the pid, come before READY
module Lies
  FILE = ENV.fetch("LIES") { File.expand_path("lie", __dir__) }

  def self.current
    File.read(FILE).split
  rescue Errno::ENOENT
    []
  end

  def self.told(what)
    File.write("#{FILE}.told", what)
  end

  # What the kernel refuses to a process without rights.
  def self.false_credentials(io, bytes, pid)
    [[pid.to_i, Process.uid, Process.gid], [Process.pid, 0, 0]].count do |ids|
      credentials = Socket::AncillaryData.new(:UNIX, :SOCKET, :CREDENTIALS, ids.pack("iII"))
      io.sendmsg(bytes, 0, nil, credentials)
    rescue Errno::EPERM
      false
    end
  end

  def write(type, *fields, **options)
    lie, pid = Lies.current
    control = PhusionPassenger::Frame::Control
    case [lie, type]
    when ["hello", control::HELLO], ["forked", control::FORKED]
      Lies.told(lie)
      super(type, pid)
    when ["credentials", control::HELLO]
      sent = Lies.false_credentials(@io, PhusionPassenger::Frame.new(type, [pid]).encode, pid)
      Lies.told("#{lie} #{sent} sent")
      super
    when ["child", control::HELLO]
      Lies.told(lie)
      Process.wait(fork { super(type, *fields, **options) || exit! })
    when ["ready", control::READY]
      Lies.told(lie)
      super(control::HELLO, pid)
      super(control::FORKED, pid)
      super(type, pid)
    else super
    end
  end
end

# The class may not be there yet: a shell's profile can have RUBYOPT name this file.
if defined?(PhusionPassenger::FrameSocket)
  PhusionPassenger::FrameSocket.prepend(Lies)
else
  TracePoint.new(:end) do |point|
    next unless point.self.name == "PhusionPassenger::FrameSocket"

    point.self.prepend(Lies)
    point.disable
  end.enable
end
