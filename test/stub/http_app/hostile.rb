# frozen_string_literal: true

# Answers with the bytes in the request's query, as hexadecimal digits; each comma is a pause of 0.2
# s. After the first answer the connection stays open, unless the query ends in "!" (close) or "~"
# (reset). The query "pid" returns the pid. The file `said` notes answers in pieces.
require "socket"

def reset(socket)
  socket.setsockopt(Socket::SOL_SOCKET, Socket::SO_LINGER, [1, 0].pack("ii"))
end

def read_head(socket)
  head = +""
  head << (socket.gets || (return nil)) until head.end_with?("\r\n\r\n")
  head
end

def say_pid(socket)
  socket.write("HTTP/1.1 200 OK\r\nContent-Length: #{Process.pid.to_s.size}\r\n\r\n#{Process.pid}")
end

def answer(socket, query)
  return say_pid(socket) if query == "pid"

  pieces = query.delete("!~").split(",", -1)
  pieces.each_with_index do |piece, index|
    sleep 0.2 if index.positive?
    socket.write([piece].pack("H*"))
  end
  File.write("said", "#{query}\n", mode: "a") if pieces.size > 1
  reset(socket) if query.end_with?("~")
  !query.match?(/[!~]\z/)
end

def serve(socket)
  while (head = read_head(socket))
    query = head[/\?([^ ]*)/, 1]
    break unless answer(socket, query)
  end
rescue SystemCallError, IOError
  nil
ensure
  socket.close
end

server = TCPServer.new("127.0.0.1", Integer(ENV.fetch("PORT")))
loop { Thread.new(server.accept) { |socket| serve(socket) } }
