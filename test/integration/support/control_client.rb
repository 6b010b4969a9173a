# frozen_string_literal: true

require "json"
require "socket"

require_relative "../../../lib/passenger/wire/frame_socket"

# The asking side of an agent's named socket.
class ControlClient
  class Refused < StandardError
  end

  ORDER = 112
  DONE = 113

  # folder: PassengerInstanceRegistryDir, in which one agent is.
  def self.in(folder)
    properties = Dir.glob(File.join(folder, "passenger.*/properties.json"))
    raise "#{folder} has #{properties.size} agents" unless properties.size == 1

    new(JSON.parse(File.read(properties.first)).fetch("control"))
  end

  def initialize(path)
    @socket = PhusionPassenger::FrameSocket.new(UNIXSocket.new(path))
  end

  # The frame of the answer.
  def order(*fields)
    @socket.write(ORDER, *fields)
    answer = @socket.read or raise EOFError
    raise Refused, answer.fields.first unless answer.type == DONE

    answer
  end

  def status(app = "")
    memory = order("status", app).descriptors.first
    JSON.parse(memory.tap(&:rewind).read)
  ensure
    memory&.close
  end
end
