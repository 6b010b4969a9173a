# frozen_string_literal: true

require "json"
require "socket"

# Sends the agent's named socket orders, each a list of fields.
#
#     orders.rb SOCKET < ORDERS
#
# ORDERS is a list as JSON, and so is what it prints: for each order the type of the answer, and a
# text: the first field of a refusal, or what a memory file has.
class Orders
  ORDER = 112
  DONE = 113
  HEADER = "Vvv"
  HEADER_LENGTH = 8

  def initialize(path)
    @path = path
  end

  def answers(orders)
    orders.map { |fields| UNIXSocket.open(@path) { |agent| answer(agent, fields) } }
  end

  private

  def answer(agent, fields)
    bytes = fields.map { |field| [field.bytesize, field].pack("Va*") }.join
    agent.write([bytes.bytesize, ORDER, 0].pack(HEADER) + bytes)
    header, _, _, control = agent.recvmsg(HEADER_LENGTH, scm_rights: true)
    length, type = header.unpack(HEADER)
    text = length.zero? ? "" : agent.read(length).byteslice(4..)
    memory = control&.unix_rights&.first
    [type, memory ? memory.tap(&:rewind).read : text.dup.force_encoding("UTF-8").scrub]
  ensure
    memory&.close
  end
end

if $PROGRAM_NAME == __FILE__
  puts JSON.generate(Orders.new(ARGV.first).answers(JSON.parse($stdin.read)))
end
