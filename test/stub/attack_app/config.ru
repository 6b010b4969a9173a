# frozen_string_literal: true

# An application that attacks the agent and httpd: with descriptors whose last close waits for
# LINGER seconds, TCP connections with SO_LINGER and a peer that reads nothing (socket(7)); and with
# connections that it takes over and never closes.
#
# /control  sends such a descriptor to the agent, on the control socket
# /channel  sends such a descriptor to the httpd thread that waits for the answer
# /hold     takes the client's connection over, and keeps it
# other     says hello

require "socket"

class Attacker
  LINGER = 10

  def call(env)
    return hold(env) if env["PATH_INFO"] == "/hold"

    said = case env["PATH_INFO"]
           when "/control" then outcome { attack_agent }
           when "/channel" then outcome { attack_child }
           else "hello"
           end
    [200, { "content-type" => "text/plain" }, [said]]
  end

  private

  def hold(env)
    stream = env["rack.hijack"].call
    stream.write("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nheld\n")
    (@held ||= []) << stream
    [-1, {}, []]
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
    connection = TCPSocket.new("127.0.0.1", server.addr[1])
    (@kept ||= []) << server.accept
    server.close
    connection.setsockopt(Socket::SOL_SOCKET, Socket::SO_LINGER, [1, LINGER].pack("ii"))
    nil until connection.write_nonblock("x" * 65_536, exception: false) == :wait_writable
    connection
  end

  def attack_agent
    socket = ObjectSpace.each_object(PhusionPassenger::FrameSocket).find { |one| !one.io.closed? }
    give_away do |connection|
      socket.write(PhusionPassenger::Frame::Control::HEARTBEAT, descriptors: [connection])
    end
  end

  # A message of an unknown exchange: the child ignores it, and closes its descriptor.
  def attack_child
    channel = ObjectSpace.each_object(PhusionPassenger::Channels).first
                         .instance_variable_get(:@known).values
                         .find { |one| one.instance_variable_get(:@busy) }
    give_away do |connection|
      channel.send_descriptor([0, 1, 0, 0, 0, 0, 0].pack("Q<CCvVVV"), connection)
    end
  end
end

run Attacker.new
