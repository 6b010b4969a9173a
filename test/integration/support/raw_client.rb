# frozen_string_literal: true

require "socket"

# A socket that sends bytes unchanged: for odd requests, slow requests, and clients that leave.
class RawClient
  class Silence < StandardError; end

  # A received response. Header names keep their case, and repeated headers their order.
  Response = Struct.new(:status, :headers, :body, keyword_init: true) do
    def [](name)
      all(name).first
    end

    def all(name)
      headers.select { |header, _| header.casecmp?(name) }.map(&:last)
    end
  end

  # `from`: the client's own address, or any. `window`: how many bytes the kernel may keep for a
  # client that does not read; the kernel takes twice that. Without it, that depends on the sizes of
  # the pieces that arrive.
  def initialize(port, site, timeout: 60, from: nil, window: nil)
    @host = "#{site}:#{port}"
    @timeout = timeout
    @socket = connect(port, from, window)
    @socket.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1)
    @buffer = +"".b
  end

  # The client's own port.
  def port
    @socket.local_address.ip_port
  end

  def write(text)
    @socket.write(text)
    self
  end

  # Sends a request line with Host and the other headers; the caller sends the body.
  def request(method, path, headers = {})
    lines = { "Host" => @host }.merge(headers).map { |name, value| "#{name}: #{value}\r\n" }
    write("#{method} #{path} HTTP/1.1\r\n#{lines.join}\r\n")
  end

  def get(path, headers = {})
    request("GET", path, headers).response
  end

  # Reads a whole response. `head: true`: the response to a HEAD request, which has no body whatever
  # its headers say.
  def response(head: false)
    answer = read_head
    answer.body = head || bodiless?(answer.status) ? "" : read_body(answer)
    answer
  end

  def read_head
    text = read_until("\r\n\r\n")
    status_line, *lines = text.split("\r\n")
    unless status_line.match?(%r{\AHTTP/1\.[01] \d{3}})
      raise Silence, "not a status line: #{status_line.inspect}"
    end

    headers = lines.map { |line| line.split(/:\s*/, 2) }
    Response.new(status: status_line.split[1].to_i, headers: headers, body: nil)
  end

  # The next chunk of a chunked body; nil at its end.
  def read_chunk
    size = Integer(read_until("\r\n").chomp, 16)
    data = read_exactly(size)
    read_exactly(2)
    size.zero? ? nil : data
  end

  # True if the server ends the connection within the time-out.
  def ended?
    fill until @buffer.bytesize > 1_000_000
    false
  rescue EOFError, Errno::ECONNRESET
    true
  rescue Silence
    false
  end

  # True if bytes arrive within so many seconds, or have arrived.
  def arrived?(seconds)
    !@buffer.empty? || !@socket.wait_readable(seconds).nil?
  end

  def read_bytes(size)
    read_exactly(size)
  end

  def read_to_end
    loop { fill }
  rescue EOFError
    taken = @buffer
    @buffer = +"".b
    taken
  end

  def close
    @socket.close unless @socket.closed?
  end

  # Resets the connection instead of closing it in order.
  def abort
    @socket.setsockopt(Socket::SOL_SOCKET, Socket::SO_LINGER, [1, 0].pack("ii"))
    close
  end

  def close_write
    @socket.close_write
  end

  private

  # A window can be set only before the connection is made (tcp(7), TCP_WINDOW_CLAMP and SO_RCVBUF).
  def connect(port, from, window)
    socket = Socket.new(:INET, :STREAM)
    socket.setsockopt(:SOCKET, :RCVBUF, window) if window
    socket.bind(Addrinfo.tcp(from, 0)) if from
    socket.connect(Addrinfo.tcp("127.0.0.1", port))
    socket
  rescue SystemCallError
    socket.close
    raise
  end

  def bodiless?(status)
    status < 200 || status == 204 || status == 304
  end

  def read_body(answer)
    return read_chunks if answer["Transfer-Encoding"].to_s.casecmp?("chunked")
    return read_exactly(answer["Content-Length"].to_i) if answer["Content-Length"]

    read_to_end
  end

  def read_chunks
    body = +"".b
    while (piece = read_chunk)
      body << piece
    end
    body
  end

  def read_until(mark)
    fill until (position = @buffer.index(mark))
    @buffer.slice!(0, position + mark.bytesize)
  end

  def read_exactly(size)
    fill while @buffer.bytesize < size
    @buffer.slice!(0, size)
  end

  def fill
    raise Silence, "nothing came for #{@timeout} s" unless @socket.wait_readable(@timeout)

    @buffer << @socket.readpartial(65_536)
  end
end
