# frozen_string_literal: true

# An application that speaks HTTP and knows nothing of mod_passenger. It has a thread for each
# connection, which it keeps.
require "io/wait"
require "socket"

ANSWERS = {
  "/" => ->(_request) { "hello from #{Process.pid}" },
  "/pid" => ->(_request) { Process.pid.to_s },
  "/echo" => ->(request) { request[:body] },
  "/head" => ->(request) { request[:head] },
  "/env" => ->(_request) { ENV.to_h.map { |name, value| "#{name}=#{value}\n" }.join },
  # Counts the requests with a body that arrived whole.
  "/note" => ->(_request) { ($notes ||= []) << 1; "noted" }, # rubocop:disable Style/GlobalVars
  "/notes" => ->(_request) { ($notes ||= []).size.to_s }, # rubocop:disable Style/GlobalVars
  "/cwd" => ->(_request) { Dir.pwd },
  "/user" => ->(_request) { Process.uid.to_s },
  "/slow" => ->(_request) { sleep(0.3) && "slept" },
  # Makes the file that the query names and hangs. Answers if the file exists already.
  "/hold" =>
    ->(request) {
      File.exist?(request[:query]) ? "held before" : File.write(request[:query], "") && sleep
    },
  "/hog" => lambda do |_request|
    ($hog ||= []) << ("x" * (64 << 20)) # rubocop:disable Style/GlobalVars
    "hogged"
  end
}.freeze

def read_chunks(socket)
  body = +""
  until (size = socket.readline.to_i(16)).zero?
    body << read_exactly(socket, size)
    socket.readline
  end
  socket.readline
  body
end

def read_exactly(socket, size)
  bytes = socket.read(size)
  raise EOFError, "a body that was broken off" if bytes.to_s.bytesize < size

  bytes.to_s
end

def read_request(socket)
  head = +""
  while (line = socket.gets)
    head << line
    break if line == "\r\n"
  end
  return nil if line.nil?

  length = head[/^content-length: (\d+)/i, 1].to_i
  body = if head.match?(/^transfer-encoding: chunked/i)
           read_chunks(socket)
         else
           read_exactly(socket, length)
         end
  { head: head, path: head.split[1].split("?").first, body: body,
    query: head.split[1].split("?", 2)[1].to_s }
end

# Until the connection ends.
def answer_endlessly(socket)
  socket.write("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
  loop { socket.write("x" * 65_536) }
end

# Writes until nobody has taken anything for a while, and ends the process. The file gets the number
# of bytes.
def fill_and_end(socket, file)
  total = 0
  while socket.wait_writable(0.5)
    sent = socket.write_nonblock("x" * 65_536, exception: false)
    total += sent if sent.is_a?(Integer)
  end
  File.write(file, total.to_s)
  exit!(0)
end

# A protocol of capitals. Its first bytes come with the head.
def upgrade(socket)
  socket.write("HTTP/1.1 101 Capitals\r\nConnection: Upgrade\r\nUpgrade: capitals\r\n" \
               "X-Mark: 1\r\n\r\nWELCOME\n")
  while (line = socket.gets)
    fill_and_end(socket, line.split.last) if line.start_with?("end ")
    socket.write(line.upcase)
  end
  socket.write("GOODBYE\n")
end

def serve(socket)
  while (request = read_request(socket))
    answer_endlessly(socket) if request[:path] == "/endless"
    return upgrade(socket) if request[:path] == "/upgrade"

    answer = ANSWERS[request[:path].delete_prefix(ENV.fetch("PASSENGER_BASE_URI", ""))]
    text = answer ? answer.call(request) : "not found"
    socket.write("HTTP/1.1 #{answer ? 200 : 404} OK\r\nContent-Type: text/plain\r\n" \
                 "Content-Length: #{text.bytesize}\r\n\r\n#{text}")
  end
rescue SystemCallError, IOError
  nil
ensure
  socket.close
end

server = if ENV["PASSENGER_SOCKET"].to_s.empty?
           TCPServer.new("127.0.0.1", Integer(ENV.fetch("PORT")))
         else
           UNIXServer.new(ENV.fetch("PASSENGER_SOCKET"))
         end
puts "listening"
$stdout.flush
loop { Thread.new(server.accept) { |socket| serve(socket) } }
