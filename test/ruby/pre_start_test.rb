# frozen_string_literal: true

require "socket"
require "stringio"

require_relative "test_helper"
require "passenger/spawn/pre_start"

# The program of PassengerPreStart, with a server that answers as a test demands.
class PreStartTest < PhusionPassenger::TestCase
  # PreStart writes with syswrite.
  class Output < StringIO
    def syswrite(text)
      write(text)
    end
  end

  # The server listens once a test calls `listen`.
  def setup
    super
    @server = closing(Socket.new(:INET, :STREAM))
    @server.bind(Addrinfo.tcp("127.0.0.1", 0))
    @port = @server.local_address.ip_port
  end

  def test_the_request_names_the_urls_host_and_path
    heads = answering("200 OK")
    assert_match(%r{\Adone\thttp://blog\.test:#{@port}/a\?b=c\t200\t\d+\n\z},
                 run_with("http://blog.test:#{@port}/a?b=c"))
    assert_match(%r{\AHEAD /a\?b=c HTTP/1\.1\r\n}, heads.pop)
  end

  def test_any_answer_is_reported_with_its_status
    answering("503 Service Unavailable")
    assert_match(/\Adone\t.*\t503\t/, run_with("http://blog.test:#{@port}/"))
  end

  def test_an_answer_by_which_httpd_keeps_the_request_from_the_application_is_a_failure
    url = "http://blog.test:#{@port}/"
    answering("301 Moved Permanently", "Location: https://blog.test/\r\n")
    assert_match(%r{\Afailed\t#{url}\thttpd .* 301, Location: https://blog.test/\)\t},
                 run_with(url))
    answering("403 Forbidden")
    assert_match(/\Afailed\t.*status 403\)\t/, run_with(url))
    # Express adds one of its own.
    powered = "X-Powered-By: Express, mod_passenger 0.1.0\r\n"
    answering("302 Found", "#{powered}Location: /login\r\n")
    assert_match(/\Adone\t.*\t302\t/, run_with(url))
  end

  def test_a_url_with_a_name_or_password_is_not_requested
    @server.listen(5)
    %w[me me:secret].each do |user|
      assert_match(/\Afailed\t.*must not have a user or password/,
                   run_with("http://#{user}@blog.test:#{@port}/"))
    end
    assert_equal :wait_readable, @server.accept_nonblock(exception: false)
  end

  def test_a_request_without_a_listener_fails_after_its_time_limit
    said = run_with("http://blog.test:#{@port}/", connect_time: 0)
    why = /no server takes connections to port #{@port}: Connection refused at 127\.0\.0\.1/
    assert_match(/\Afailed\thttp:\S+\t#{why}[,;\t].*\d+\n\z/, said)
  end

  def test_a_server_that_listens_a_moment_later_is_requested
    asked = 0
    said = run_with("http://blog.test:#{@port}/") do
      asked += 1
      answering("200 OK") if asked == 2
    end
    assert_match(/\Adone\t/, said)
    assert_operator asked, :>=, 2
  end

  def test_an_invalid_url_does_not_keep_others_from_being_requested
    answering("200 OK")
    said = run_with("http://[", "http://blog.test:#{@port}/")
    assert_equal %w[done failed], said.lines.map { |line| line[/\A\w+/] }.sort
  end

  private

  # The block is called instead of each pause.
  def run_with(*urls, connect_time: 60, &pause)
    output = Output.new
    starting = PhusionPassenger::PreStart.new(urls, output, connect_time: connect_time)
    starting.define_singleton_method(:sleep) { |_seconds| pause.call } if pause
    starting.run
    output.string
  end

  # Answers one request; the queue gets its head.
  def answering(status, lines = "")
    @server.listen(5)
    Queue.new.tap { |heads| Thread.new { heads << answer_one(status, lines) } }
  end

  def answer_one(status, lines)
    client, = @server.accept
    head = client.gets("\r\n\r\n")
    client.write("HTTP/1.1 #{status}\r\nContent-Length: 0\r\nConnection: close\r\n#{lines}\r\n")
    client.close
    head
  end
end
