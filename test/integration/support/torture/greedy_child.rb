# frozen_string_literal: true

require "socket"
require_relative "hostile_child"

# Takes of the agent what one of httpd's children may ask for, again and again: connections, reply
# channels, applications. The agent takes the test's process for a child, since the descriptors are
# one's. It keeps what it gets until `close`.
class GreedyChild < HostileChild
  ATTACHED = 4
  REGISTER = 6
  REGISTERED = 7
  UNREGISTER = 8
  QUERY = 9

  def initialize(...)
    super
    @kept = []
    @taken = []
  end

  # A connection that has said HELLO; nil: the agent has closed it.
  def connection
    frames = keep(PhusionPassenger::FrameSocket.new(connect))
    before = welcomes
    keep(introduce(frames))
    frames if welcomes > before
  rescue Errno::EPIPE, Errno::ECONNRESET
    nil
  end

  # Asks for an application. Returns its slot and generation; nil: the agent refuses it, or has
  # closed the connection.
  def attach(frames, options)
    answer = ask(frames, ATTACH, "0", *options.flat_map { |name, value| [name, value] })
    answer.fields.first(2) if answer&.type == ATTACHED
  end

  # Returns the agent's answer; nil: it has closed the connection.
  def query(frames, *fields)
    ask(frames, QUERY, *fields)
  end

  # Registers a reply channel of the application. Returns whether the agent takes it.
  def register(frames, slot, generation)
    own, theirs = Socket.pair(:UNIX, :SEQPACKET).map { |io| keep(io) }
    answer = ask(frames, REGISTER, slot, generation, own.fileno.to_s.rjust(16),
                 descriptors: [theirs])
    return false unless answer&.type == REGISTERED

    @taken << answer.fields.first
    true
  end

  # Gives the channels back: the agent keeps them as long as this process lives.
  def close
    @kept.each(&:close)
    @kept.clear
    connection&.write(UNREGISTER, *@taken) if @taken.any?
    @kept.each(&:close)
    super
  end

  private

  def ask(frames, type, *fields, descriptors: [])
    frames.write(type, *fields, descriptors: descriptors)
    answer = frames.read
    answer&.descriptors&.each(&:close)
    answer
  rescue Errno::EPIPE, Errno::ECONNRESET
    nil
  end

  def keep(one)
    @kept << one if one
    one
  end
end
