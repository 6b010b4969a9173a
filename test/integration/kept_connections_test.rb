# frozen_string_literal: true

require_relative "support/integration_test"

# The connections that a bridge keeps to its application. The application closes them when they have
# been idle for some milliseconds, or at the moment at which the next request comes.
class KeptConnectionsTest < IntegrationTest
  PYTHON = "/usr/bin/python3"
  REQUESTS = 500
  # Around the 5 milliseconds of the application.
  PAUSES = (0.003..0.007).freeze

  # Closes kept connections after `kept_for` seconds; 0: when a request has come, unread. Notes each
  # request, and each connection that it has closed. Answers with the number of the connection.
  APP = <<~'PYTHON'
    import itertools, os, socket, sys, threading

    kept_for, announcement = float(sys.argv[1]), [text.encode() for text in sys.argv[2:]]
    notes = open("notes", "a", buffering=1)

    def length_of(head):
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                return int(line[15:])
        return 0

    def close(connection):
        notes.write("closed\n")
        connection.close()

    def serve(connection, number):
        data = b""
        connection.settimeout(60)
        while True:
            while b"\r\n\r\n" not in data:
                try:
                    piece = connection.recv(65536)
                except socket.timeout:
                    return close(connection)
                if not piece:
                    return connection.close()
                data += piece
            head, data = data.split(b"\r\n\r\n", 1)
            while len(data) < length_of(head):
                data += connection.recv(65536)
            data = b""
            notes.write(b" ".join(head.split()[:2]).decode() + "\n")
            body = b"%d" % number
            fields = [b"Content-Length: %d" % len(body), *announcement]
            connection.sendall(b"\r\n".join([b"HTTP/1.1 200 OK", *fields, b"", body]))
            if not kept_for and connection.recv(1, socket.MSG_PEEK):
                return close(connection)
            connection.settimeout(kept_for)

    path = os.environ.get("PASSENGER_SOCKET")
    server = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
    server.bind(path or ("127.0.0.1", int(os.environ["PORT"])))
    server.listen(100)
    for number in itertools.count(1):
        threading.Thread(target=serve, args=(server.accept()[0], number), daemon=True).start()
  PYTHON
  # By site: how many requests it gets at once, and thus connections.
  COMMANDS = {
    "port.test" => [2, "exec #{PYTHON} serve.py 0.005"],
    "socket.test" => [2, ": $PASSENGER_SOCKET; exec #{PYTHON} serve.py 0.005"],
    "cruel-port.test" => [2, "exec #{PYTHON} serve.py 0"],
    "cruel-socket.test" => [2, ": $PASSENGER_SOCKET; exec #{PYTHON} serve.py 0"],
    "announced.test" => [1, "exec #{PYTHON} serve.py 60 'Keep-Alive: timeout=60'"],
    "silent.test" => [1, "exec #{PYTHON} serve.py 60"]
  }.freeze

  serve do |made|
    COMMANDS.each do |site, (threads, command)|
      made.site(site, SampleApps.written(APP, "serve.py"),
                "PassengerAppStartCommand \"#{command}\"\nPassengerMaxInstances 1\n" \
                "PassengerForceMaxConcurrentRequestsPerProcess #{threads}\n")
    end
  end

  def setup
    skip "there is no #{PYTHON}" unless File.executable?(PYTHON)
  end

  { "port" => REQUESTS, "socket" => REQUESTS, "cruel-port" => 100,
    "cruel-socket" => 100 }.each do |site, count|
    define_method("test_no_request_fails_and_no_post_runs_twice_on_#{site.tr('-', '_')}") do
      site = "#{site}.test"
      clients = Array.new(2) { |number| Thread.new { requests(site, number, count) } }
      assert_equal({ "200" => 2 * count }, clients.flat_map(&:value).tally)
      notes = File.readlines(File.join(root(site), "notes"), chomp: true)
      posts = notes.grep(/^POST/)
      assert_equal [count, count], [posts.size, posts.uniq.size]
      # Otherwise nothing was tried.
      assert_operator notes.count("closed"), :>, count / 10
    end
  end

  def test_a_post_uses_a_kept_connection_if_the_application_says_that_it_keeps_it
    own = client("announced.test")
    assert_equal 1, Array.new(4) { own.post("/", "x").body }.uniq.size
  end

  def test_a_post_uses_no_kept_connection_if_the_application_does_not_say_so
    own = client("silent.test")
    assert_equal 4, Array.new(4) { own.post("/", "x").body }.uniq.size
    number = own.get("/").body
    assert_equal number, own.get("/").body
  end

  private

  # Of one client: POST and GET by turns.
  def requests(site, number, count)
    own = client(site)
    random = Random.new(number)
    Array.new(count) do |i|
      sleep random.rand(PAUSES)
      path = "/#{number}-#{i}"
      (i.even? ? own.post(path, "text") : own.get(path)).code
    end
  end

  def root(site)
    server.configuration.sites.find { |one| one.name == site }.root
  end
end
