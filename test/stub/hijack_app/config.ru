# frozen_string_literal: true

# Takes connections over in each way of Rack. The protocol is WebSocket (/web_socket), or capitals
# for each line and a goodbye once the client has closed its side.

require "digest/sha1"
require "websocket/driver"

# WebSocket by the library that Rails uses; it writes its own head.
class WebSocketEcho
  attr_reader :env, :url

  def initialize(env, io)
    @env = env
    @io = io
    @url = "ws://#{env['HTTP_HOST']}#{env['REQUEST_URI']}"
    @driver = WebSocket::Driver.rack(self)
    @driver.on(:message) do |message|
      message.data == "exit" ? exit!(1) : @driver.text(message.data.upcase)
    end
    @driver.on(:close) { @io.close }
  end

  def write(bytes)
    @io.write(bytes)
  end

  def run
    @driver.start
    @driver.parse(@io.readpartial(65_536)) until @io.closed?
  rescue IOError, SystemCallError
    @io.close
  end
end

def capitals(io)
  while (line = io.gets)
    io.write(line.upcase)
  end
  io.write("GOODBYE\n")
ensure
  io.close
end

def in_background(io)
  Thread.new { yield io }
end

HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
UPGRADE = { "Upgrade" => "capitals", "Connection" => "Upgrade", "X-Mark" => "1" }.freeze

run(lambda do |env|
  case env["PATH_INFO"]
  when "/web_socket"
    io = env["rack.hijack"].call
    in_background(io) { WebSocketEcho.new(env, io).run }
    [-1, {}, []]
  when "/full"
    env["rack.hijack"].call
    in_background(env["rack.hijack_io"]) do |io|
      io.write(HEAD)
      capitals(io)
    end
    [-1, {}, []]
  when "/partial"
    [200, { "Content-Type" => "text/plain",
            "rack.hijack" => ->(io) { in_background(io) { capitals(io) } } }, []]
  when "/upgrade"
    [101, UPGRADE.merge("rack.hijack" => ->(io) { in_background(io) { capitals(io) } }), []]
  when "/upgrade_by_body"
    [101, UPGRADE.dup, ->(io) { in_background(io) { capitals(io) } }]
  when "/chunks"
    send = ->(io) { io.write("3\r\none\r\n0\r\n\r\n") && io.close }
    [200, { "Content-Type" => "text/plain", "Transfer-Encoding" => "chunked",
            "rack.hijack" => send }, []]
  when "/unread"
    env["rack.hijack"].call
    in_background(env["rack.hijack_io"]) { |io| io.write("#{HEAD}#{'x' * 50_000_000}") && io.close }
    [-1, {}, []]
  when "/raise"
    env["rack.hijack"].call
    raise "changed its mind"
  when "/keep"
    $kept = true
    in_background(env["rack.hijack"].call) { |io| $left = io.read }
    [-1, {}, []]
  when "/kept"
    [200, { "Content-Type" => "text/plain" }, [$kept.to_s]]
  when "/left"
    [200, { "Content-Type" => "text/plain" }, [$left.to_s]]
  when "/late"
    env["rack.after_reply"] << -> { env["rack.hijack"].call }
    [200, { "Content-Type" => "text/plain" }, ["late\n"]]
  else
    [200, { "Content-Type" => "text/plain" }, ["#{Process.pid}"]]
  end
end)
