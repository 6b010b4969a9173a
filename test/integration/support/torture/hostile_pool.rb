# frozen_string_literal: true

require "fiddle"
require "socket"

require_relative "../environment"
require_relative "../../../../lib/passenger/wire/frame_socket"

# Sends the rights process whatever a pool process could that was taken over, by the pool process's
# own socket. Needs root, and CAP_SYS_PTRACE.
class HostilePool
  SYSCALL = Fiddle::Function.new(Fiddle.dlopen(nil)["syscall"], [Fiddle::TYPE_LONG] * 4,
                                 Fiddle::TYPE_LONG)
  PIDFD_OPEN = 434
  PIDFD_GETFD = 438
  # The watchdog's own socket.
  INHERITED = 3

  CONNECT = 97
  SIGNAL = 98
  REQUEST = 99
  DONE = 100
  ROOM = 101
  END_GROUP = 102
  AGENT_FAILED = 66

  HEADER = File.join(TestEnvironment::SOURCE_DIR, "ext/common/rights/RightsMessages.h")
  # RightsServer serves verbs of this list only.
  VERBS = File.read(HEADER).scan(/constexpr const char \*[A-Z_]+ = "(\w+)"/).flatten.freeze

  # Requests that are sent before their answers are read.
  BATCH = 50
  # One request in so many has descriptors: with these, programs may start.
  RARE = 50

  # The answers so far, by verb.
  attr_reader :answered

  # `values`: what fields may say. `processes`: none of them may get a signal, whoever asks.
  def initialize(pool, watchdog, values, processes, random)
    @random = random
    @values = values
    @answered = Hash.new(0)
    @main = PhusionPassenger::FrameSocket.new(socket_to_rights(pool, watchdog))
    @descriptors = [File.open(File::NULL, "r+"), *UNIXSocket.pair,
                    *processes.map { |pid| IO.for_fd(SYSCALL.call(PIDFD_OPEN, pid, 0, 0)) }]
    @connection = connect
  end

  # Asks for `count` rights at random, and waits for all answers.
  def ask(count)
    verbs = Array.new(count) { (VERBS + ["no_such_verb"]).sample(random: @random) }
    verbs.each_slice(BATCH) do |some|
      some.each { |verb| @connection.write(REQUEST, verb, *fields, descriptors: rare_descriptors) }
      some.each { |verb| take_answer(verb) }
    end
  end

  # Sends `count` frames of the pool process that have no answer, and connections that say nothing.
  def order(count)
    count.times do
      case @random.rand(4)
      when 0 then @main.write(SIGNAL, @random.rand(70), descriptors: [descriptor])
      when 1 then @main.write(ROOM, @random.rand(1 << 64), descriptors: [descriptor])
      when 2 then @main.write(END_GROUP, @values.reject(&:empty?).sample(random: @random))
      else @main.write(CONNECT, descriptors: [@descriptors.first])
      end
    end
  end

  # The answer to one request.
  def right(*fields)
    @connection.write(REQUEST, *fields)
    @connection.read
  end

  def close
    [@main, @connection, *@descriptors].each(&:close)
  end

  private

  # The watchdog has made two pairs of sockets of which the pool process has one end.
  def socket_to_rights(pool, watchdog)
    pidfd = SYSCALL.call(PIDFD_OPEN, pool.pid, 0, 0)
    found = pool.descriptors.select { |number, to| number > INHERITED && to.start_with?("socket:") }
                .keys.filter_map { |number| stream_of(pidfd, number, watchdog.pid) }
    raise "the pool process has #{found.size} sockets to the rights process" unless found.size == 1

    found.first
  ensure
    IO.for_fd(pidfd).close if pidfd
  end

  def stream_of(pidfd, number, maker)
    socket = Socket.for_fd(SYSCALL.call(PIDFD_GETFD, pidfd, number, 0))
    kind = socket.getsockopt(:SOCKET, :TYPE).int
    pid = socket.local_address.unix? && socket.getsockopt(:SOCKET, :PEERCRED).data.unpack1("i")
    return UNIXSocket.for_fd(socket.tap { |one| one.autoclose = false }.fileno) if
      kind == Socket::SOCK_STREAM && pid == maker

    socket.close
    nil
  end

  def connect
    own, other = UNIXSocket.pair
    @main.write(CONNECT, descriptors: [other])
    PhusionPassenger::FrameSocket.new(own)
  ensure
    other&.close
  end

  def take_answer(verb)
    answer = @connection.read or raise EOFError, "the connection ended at #{verb}"
    raise "an answer of type #{answer.type}" unless [DONE, AGENT_FAILED].include?(answer.type)

    answer.descriptors.each(&:close)
    @answered[verb] += 1
  end

  def fields
    Array.new(@random.rand(9)) { @values.sample(random: @random) }
  end

  def rare_descriptors
    @random.rand(RARE).zero? ? Array.new(@random.rand(1..3)) { descriptor } : []
  end

  def descriptor
    @descriptors.sample(random: @random)
  end
end
