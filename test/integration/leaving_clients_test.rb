# frozen_string_literal: true

require_relative "support/integration_test"

# Clients that leave in the middle of a request, with a pool of one: the next request would notice
# any damage.
class LeavingClientsTest < IntegrationTest
  # The stream of /open is never closed.
  OPEN_STREAM = <<~'RUBY'
    streams = []
    run(proc do |env|
      body = ->(stream) { streams << stream.tap { stream.write("first") } }
      [200, {}, env["PATH_INFO"] == "/open" ? body : [Process.pid.to_s]]
    end)
  RUBY

  serve do |made|
    made.set("PassengerMaxPoolSize", 1)
    made.site("rack.test", SampleApps.rack)
  end

  def setup
    @pid = client.pid
  end

  # The same instance continues to serve, without delay.
  def assert_unharmed
    pid = eventually("the next request") { client.pid }
    assert_equal @pid, pid, "the instance is the same"
  end

  # Seconds until five more requests are withdrawn that wait and close.
  def withdrawal_time(server, started, count)
    waiting = Array.new(5) { server.raw.request("GET", "/slow?seconds=0&started=#{started}") }
    waiting.each(&:close)
    left = Eventually.monotonic
    eventually("they are withdrawn") do
      server.log.count(%r{event=request\.given_up.*client left.*/slow}) == count
    end
    Eventually.monotonic - left
  end

  def test_a_client_that_leaves_in_its_head_harms_no_other_request
    [:close, :abort].each do |way|
      server.raw.write("GET /hello HTTP/1.1\r\nHost: rack.test\r\nX-Half: ").public_send(way)
    end
    assert_unharmed
  end

  def test_a_client_that_leaves_its_request_in_work_harms_no_other_request
    path = fifo
    started = File.join(scratch, "started")
    raw = server.raw.request("GET", "/wait?fifo=#{path}&started=#{started}")
    eventually { File.exist?(started) }
    raw.abort
    release(path)
    assert_unharmed
  end

  def test_clients_that_leave_while_their_requests_wait_harm_no_other_request
    path = fifo
    started = File.join(scratch, "started")
    first = Thread.new { client.get("/wait?fifo=#{path}&started=#{started}").code }
    eventually { File.exist?(started) }
    waiting = Array.new(5) { server.raw.request("GET", "/slow?seconds=0&started=#{started}") }
    waiting.each(&:abort)
    release(path)
    assert_equal "200", first.value
    assert_unharmed
  end

  # An ordinary end only means that the client sends no more, so the request waits another second.
  def test_requests_of_clients_that_close_while_they_wait_are_withdrawn_and_never_run
    with_server(configuration { |one| one.set("PassengerMaxPoolSize", 1) }) do |server|
      path = fifo
      started = File.join(scratch, "started")
      first = Thread.new do
        server.client("rack.test", timeout: 60).get("/wait?fifo=#{path}&started=#{started}").code
      end
      eventually("the only instance is busy") { File.exist?(started) }
      times = []
      prompt = -> { times.count { |time| time < 1.2 } }
      until prompt.call == 2 || times.size == 6
        times << withdrawal_time(server, started, 5 * (times.size + 1))
      end
      assert_equal 2, prompt.call, "a second, and what it takes to see it: #{times}"
      release(path)
      assert_equal "200", first.value
      assert_status 200, server.client.get("/hello")
      assert_equal 1, File.readlines(started).size, "only the first one has run"
    end
  end

  def test_a_client_that_leaves_in_its_body_harms_no_other_request
    [10_000, 1_000_000].each do |sent|
      raw = server.raw.request("POST", "/upload", { "Content-Length" => "10000000" })
      raw.write("x" * sent)
      raw.abort
    end
    assert_unharmed
  end

  def test_a_client_that_leaves_in_its_chunked_body_harms_no_other_request
    raw = server.raw.request("POST", "/upload", { "Transfer-Encoding" => "chunked" })
    raw.write("1000\r\n#{'x' * 100}")
    raw.close
    assert_unharmed
  end

  def test_a_client_that_leaves_in_a_download_harms_no_other_request
    [:close, :abort].each do |way|
      raw = server.raw.request("GET", "/download?bytes=200000000")
      assert_equal 200, raw.read_head.status
      raw.public_send(way)
    end
    assert_unharmed
  end

  def test_a_client_that_leaves_between_two_pieces_harms_no_other_request
    path = fifo
    raw = server.raw.request("GET", "/stream?fifo=#{path}&pieces=5")
    raw.read_head
    release(path)
    raw.read_chunk
    raw.abort
    4.times { release(path) }
    assert_unharmed
  end

  def test_a_client_that_leaves_an_open_rack_stream_harms_no_other_request
    made = configuration do |one|
      one.set("PassengerMaxPoolSize", 1)
      one.site("open.test", SampleApps.written(OPEN_STREAM))
    end
    with_server(made) do |own|
      pid = own.client("open.test").get("/").body
      raw = own.raw("open.test").request("GET", "/open")
      raw.read_head
      assert_equal "first", raw.read_chunk
      raw.abort
      assert_equal pid, own.client("open.test", timeout: 30).get("/").body
    end
  end

  def test_a_hundred_clients_that_leave_at_once_harm_no_other_request
    Array.new(100) { |number| server.raw.request("GET", "/download?bytes=#{number * 10_000}") }
      .each(&:abort)
    assert_unharmed
  end
end
