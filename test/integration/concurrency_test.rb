# frozen_string_literal: true

require_relative "support/integration_test"

# Many clients at once share few instances.
class ConcurrencyTest < IntegrationTest
  CLIENTS = 32
  REQUESTS = 25

  serve do |made|
    made.set("PassengerMaxPoolSize", 2)
    made.main_directives << "KeepAliveTimeout 60\n"
    made.site("rack.test", SampleApps.rack, "PassengerMinInstances 2\n")
  end

  def setup
    eventually("two instances") do
      Array.new(2) { Thread.new { busy_pid } }.map(&:value).uniq.size == 2
    end
  end

  def test_thirty_two_clients_over_two_instances_each_get_their_own_answers
    pids = []
    # One of the clients may stall for a while.
    5.times do
      answers = in_parallel { |number| exchange(number, "GET", ->(_) { "" }) }
      assert_equal CLIENTS * REQUESTS, answers.size
      pids |= answers.map { |answer| answer.split.last }
      break if pids.size > 1
    end
    assert_equal 2, pids.size, "two instances share the work"
  end

  def test_thirty_two_clients_with_bodies_each_get_their_own_answers
    in_parallel do |number|
      exchange(number, "POST", ->(turn) { "#{number}/#{turn} ".ljust(100 + (turn * 997), "x") })
    end
  end

  def test_a_slow_request_does_not_hold_up_a_fast_one
    path = fifo
    slow = Thread.new { client.get("/wait?fifo=#{path}").body }
    5.times { assert_equal "hello world\n", client.get("/hello").body }
    release(path, "finished")
    assert_match(/\Afinished/, slow.value)
  end

  def test_requests_wait_while_all_instances_are_busy
    path = fifo
    started = File.join(scratch, "started")
    busy = Array.new(6) { Thread.new { client.get("/wait?fifo=#{path}&started=#{started}").code } }
    eventually("both instances are busy") do
      File.exist?(started) && File.readlines(started).size == 2
    end
    6.times { release(path) }
    assert_equal ["200"] * 6, busy.map(&:value)
    assert_equal 6, File.readlines(started).size
  end

  # sched(7): 0 is SCHED_OTHER, 3 is SCHED_BATCH. Threads keep the policy, so this server is new.
  def test_a_thread_of_httpd_interrupts_no_instance_that_has_a_next_request
    with_server(configuration { |made| made.set("PassengerMaxPoolSize", 1) }) do |server|
      assert_equal "200", server.client.get("/hello").code
      assert_equal [0], policies_of_httpd(server)
      path = fifo
      busy = Array.new(6) { Thread.new { server.client.get("/wait?fifo=#{path}").code } }
      eventually("requests wait") { policies_of_httpd(server).include?(3) }
      6.times { release(path) }
      assert_equal ["200"] * 6, busy.map(&:value)
      assert_equal [0], server.tree.beside_httpd.flat_map(&:policies).uniq
    end
  end

  private

  def policies_of_httpd(server)
    server.tree.httpd_children.flat_map(&:policies).uniq
  end

  def in_parallel(&block)
    Array.new(CLIENTS) { |number| Thread.new { block.call(number) } }.flat_map(&:value)
  end

  # The pid of an instance that stays busy for a moment, so that another request finds another
  # instance.
  def busy_pid
    client.get("/slow?seconds=0.05").body[/\d+/]
  end

  # Sends requests with a nonce on one connection. Each answer must have it in its head and in its
  # body.
  def exchange(number, method, body)
    raw = server.raw
    Array.new(REQUESTS) do |turn|
      nonce = "#{number}-#{turn}-#{rand(1 << 64).to_s(16)}"
      content = body.call(turn)
      raw.request(method, "/echo",
                  { "X-Nonce" => nonce, "Content-Length" => content.bytesize.to_s }).write(content)
      response = raw.response
      expected = "#{nonce} #{content.bytesize} #{Digest::SHA256.hexdigest(content)}"
      assert_equal [200, nonce, expected],
                   [response.status, response["X-Nonce"], response.body[0, expected.size]]
      response.body
    end
  ensure
    raw&.close
  end
end
