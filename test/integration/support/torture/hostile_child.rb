# frozen_string_literal: true

require "fiddle"
require "socket"

require_relative "../../../../lib/passenger/wire/frame_socket"
require_relative "../../../../lib/passenger/wire/layout"

# Misuses the descriptors of one of httpd's children in each way that such a child could. Random
# bytes go to its in-flight table, to the request queues, and to the agent. Needs root.
class HostileChild
  IN_FLIGHT_HEADER = 64
  # Entries, and notes.
  IN_FLIGHT_SIZE = IN_FLIGHT_HEADER + (32 + 256) * 4096

  # pidfd_open and pidfd_getfd have these numbers on all architectures.
  SYSCALL = Fiddle::Function.new(Fiddle.dlopen(nil)["syscall"], [Fiddle::TYPE_LONG] * 4,
                                 Fiddle::TYPE_LONG)
  PIDFD_OPEN = 434
  PIDFD_GETFD = 438

  MEMFD_CREATE = Fiddle::Function.new(Fiddle.dlopen(nil)["memfd_create"],
                                      [Fiddle::TYPE_VOIDP, Fiddle::TYPE_INT],
                                      Fiddle::TYPE_INT)
  MFD_ALLOW_SEALING = 2
  F_ADD_SEALS = 1033
  # Shrinking and growing. The others: writing, future writing.
  SIZE_SEALS = 6
  MORE_SEALS = [0, 8, 16].freeze

  # Frame types of the pool protocol, and one that does not exist.
  HELLO = 1
  WELCOME = 2
  ATTACH = 3
  FRAME_TYPES = (1..14).freeze
  VERSION = PhusionPassenger::Layout::VERSION

  # How often the agent accepted the first frame of `talk`, and so looked at the rest.
  attr_reader :welcomes

  # `parent`: httpd's parent. A message socket that a child shares with it leads to the agent.
  # `others`: further children. Descriptors that several children share came from the agent, queues
  # too. `channels` is called for ids of reply channels. Raises IOError if the child has not served
  # a request yet, and so lacks these descriptors.
  def initialize(process, parent, others, random, &channels)
    @random = random
    @channels = channels
    @welcomes = 0
    @pidfd = SYSCALL.call(PIDFD_OPEN, process.pid, 0, 0)
    own = process.descriptors
    table = own.key(own.values.grep(/passenger-in-flight/).first)
    @sockets = common(own, others)
    @connect = common(own, [parent]).first
    if table.nil? || @sockets.empty? || @connect.nil?
      raise IOError, "the child has no way to the agent and the queues yet"
    end

    @table = File.open("/proc/#{process.pid}/fd/#{table}", "r+b")
    @own_table = make_table
  end

  def act
    case @random.rand(30)
    when 0 then talk
    when 1 then resize
    when 2...10 then send_nonsense
    else scribble
    end
  end

  # Asks for an application with these options, as a child does that has its first request, and
  # puts a broken request into its queue. Returns the type of the agent's answer.
  def ask_for(options)
    socket = connect
    frames = PhusionPassenger::FrameSocket.new(socket)
    wake = introduce(frames)
    frames.write(ATTACH, "0", *options.flat_map { |name, value| [name, value] })
    answer = frames.read
    queue = answer.descriptors.first
    Socket.for_fd(queue.fileno).tap { |io| io.autoclose = false }.sendmsg("broken") if queue
    wake&.write("\0")
    answer.type
  rescue Errno::EPIPE
    answer.type # the start has failed, and the queue is closed
  ensure
    [socket, wake, *answer&.descriptors].each { |io| io&.close }
  end

  # No process can ask the agent for a connection any more.
  def cut_off
    @connect.shutdown(:RDWR)
    close
  end

  def close
    [@table, @own_table, @connect, *@sockets, IO.for_fd(@pidfd)].each(&:close)
  end

  private

  def common(own, processes)
    theirs = processes.flat_map { |process| process.descriptors.values }.grep(/\Asocket:/)
    own.select { |_, target| theirs.include?(target) }
      .keys.filter_map { |number| message_socket(number) }
  end

  def message_socket(number)
    socket = Socket.for_fd(SYSCALL.call(PIDFD_GETFD, @pidfd, number, 0))
    kind = socket.getsockopt(:SOCKET, :TYPE).int
    return socket if socket.local_address.unix? && kind == Socket::SOCK_SEQPACKET

    socket.close
    nil
  end

  # A table that is new to the agent, or that the agent refuses. It may be sealed, but its content
  # is random.
  def make_table
    table = File.for_fd(MEMFD_CREATE.call("board", MFD_ALLOW_SEALING), "r+b")
    table.truncate(IN_FLIGHT_SIZE)
    table.pwrite(@random.bytes(IN_FLIGHT_SIZE), 0)
    table.fcntl(F_ADD_SEALS, SIZE_SEALS)
    table
  end

  # On a connection of its own, as each child may open. The agent closes it at the first wrong
  # frame, so most frames before are right.
  def talk
    socket = connect
    frames = PhusionPassenger::FrameSocket.new(socket)
    introduce(frames)&.close unless @random.rand(4).zero?
    # The agent has it now, and writes to it.
    reseal if @random.rand(4).zero?
    @random.rand(1..5).times do
      frames.write(@random.rand(FRAME_TYPES), *invented_fields, descriptors: invented_descriptors)
    end
    socket.write(@random.bytes(100))
  rescue Errno::EPIPE, Errno::ECONNRESET
    nil
  ensure
    socket&.close
  end

  def connect
    @connect.sendmsg_nonblock("\0", exception: false)
    control = @connect.recvmsg(1, 0, nil, scm_rights: true).last
    control.unix_rights.first
  end

  # Returns the socket on which a byte wakes the agent.
  def introduce(frames)
    frames.write(HELLO, VERSION, descriptors: [@own_table])
    answer = frames.read
    @welcomes += 1 if answer&.type == WELCOME
    *others, wake = answer&.descriptors
    others.each(&:close)
    wake
  end

  # Mostly numbers, because most frames begin with some.
  def invented_fields
    Array.new(@random.rand(6)) do
      [@random.rand(10), @channels.call.sample, @random.rand(1 << 64),
       @random.bytes(20)].sample(random: @random).to_s
    end
  end

  def invented_descriptors
    [@own_table, @sockets.sample(random: @random)].sample(@random.rand(3), random: @random)
  end

  # The agent took the table with other seals.
  def reseal
    @own_table.fcntl(F_ADD_SEALS, MORE_SEALS.sample(random: @random))
    @own_table.close
    @own_table = make_table
  rescue Errno::EPERM
    nil
  end

  # Tries what a sealed table does not let anybody do.
  def resize
    [-> { @table.truncate(0) }, -> { @table.truncate(2 * IN_FLIGHT_SIZE) },
     -> { @table.fcntl(F_ADD_SEALS, MORE_SEALS.last) }].each do |way|
      way.call
      raise "the in-flight table was changed: #{way.source_location}"
    rescue Errno::EPERM
      next
    end
  end

  # Random bytes, with the header, or an entry that is valid but for its numbers.
  def scribble
    if @random.rand(2).zero?
      @table.pwrite(@random.bytes(@random.rand(1..200)), @random.rand(IN_FLIGHT_SIZE - 200))
    else
      since = [0, 1, @random.rand(1 << 64), (1 << 63) - 1, 1 << 63,
               (1 << 64) - 1].sample(random: @random)
      entry = [@channels.call.sample || 0, @random.rand(10_000), since, @random.rand(5),
               @random.rand(4)]
      @table.pwrite(entry.pack("Q<Q<Q<VV"), IN_FLIGHT_HEADER + 32 * @random.rand(40))
      @table.pwrite([@random.rand(1 << 32)].pack("V"), 12)
    end
  end

  # For any message socket: a queue gets a message like a request, with the channel of another
  # application.
  def send_nonsense
    header = [VERSION, @random.rand(8), @random.rand(10), @random.rand(1 << 21),
              @channels.call.sample || 0,
              @random.rand(10_000), 0].pack("CCvVQ<Q<Q<")
    message = [header + @random.bytes(100), header[0, 20],
               @random.bytes(@random.rand(1..500))].sample(random: @random)
    @sockets.sample(random: @random).sendmsg_nonblock(message, exception: false)
  rescue Errno::EPIPE, Errno::ECONNRESET
    nil
  end
end
