# frozen_string_literal: true

require "openssl"
require "socket"
require "websocket/driver"

# A WebSocket client over a plain socket; a library handles the frames.
class WebSocketClient
  attr_reader :url, :status

  def initialize(port, site, path, timeout: 60, tls: false)
    @url = "ws://#{site}:#{port}#{path}"
    @timeout = timeout
    @messages = []
    @socket = TCPSocket.new("127.0.0.1", port)
    @socket = secure(@socket) if tls
    @driver = WebSocket::Driver.client(self)
    @driver.on(:message) { |message| @messages << message.data }
    @driver.on(:close) { @closed = true }
    @driver.start
    fill until @driver.state == :open || @closed
    @status = @driver.status
  end

  # Called by the driver.
  def write(bytes)
    @socket.write(bytes)
  end

  def say(text)
    @driver.text(text)
    self
  end

  def hear
    fill while @messages.empty?
    @messages.shift
  end

  # Closes the WebSocket and waits for the other side's close.
  def close
    @driver.close
    fill until @closed
  rescue EOFError, Errno::ECONNRESET
    nil
  ensure
    @socket.close
  end

  # True if the server has ended the connection.
  def ended?
    fill until @closed
    true
  rescue EOFError, Errno::ECONNRESET
    true
  end

  private

  def secure(socket)
    OpenSSL::SSL::SSLSocket.new(socket).tap do |tls|
      tls.sync_close = true
      tls.connect
    end
  end

  def fill
    decoded = @socket.respond_to?(:pending) && @socket.pending.positive?
    raise "nothing came for #{@timeout} s" unless decoded || @socket.to_io.wait_readable(@timeout)

    @driver.parse(@socket.readpartial(65_536))
  end
end
