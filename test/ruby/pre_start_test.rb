# frozen_string_literal: true

require "socket"
require "stringio"

require_relative "test_helper"
require "passenger/pre_start"

# The helper of PassengerPreStart, with a server that says what it is told.
class PreStartTest < Minitest::Test
  # What syswrite needs.
  class Output < StringIO
    def syswrite(text)
      write(text)
    end
  end

  def setup
    @server = TCPServer.new("127.0.0.1", 0)
    @port = @server.addr[1]
  end

  def teardown
    @server.close unless @server.closed?
  end

  def test_the_request_names_the_urls_host_and_path
    heads = answering("200 OK")
    assert_match(%r{\Adone\thttp://blog\.test:#{@port}/a\?b=c\t200\t\d+\n\z}, run_with("http://blog.test:#{@port}/a?b=c"))
    assert_match(%r{\AHEAD /a\?b=c HTTP/1\.1\r\n}, heads.pop)
  end

  def test_any_answer_is_told_with_its_status
    answering("503 Service Unavailable")
    assert_match(/\Adone\t.*\t503\t/, run_with("http://blog.test:#{@port}/"))
  end

  def test_a_name_or_password_is_sent_to_nobody
    %w[me me:secret].each do |user|
      assert_match(/\Afailed\t.*must not have a user or password/, run_with("http://#{user}@blog.test:#{@port}/"))
    end
    assert_nil @server.accept_nonblock(exception: false).then { |client| client unless client == :wait_readable }
  end

  def test_where_nobody_listens_it_fails_when_its_time_is_over
    @server.close
    assert_match(/\Afailed\t.*onnect.*\t\d+\n\z/, run_with("http://blog.test:#{@port}/", connect_time: 0))
  end

  def test_who_listens_a_moment_later_is_asked
    @server.close
    later = Thread.new do
      sleep 0.3
      @server = TCPServer.new("127.0.0.1", @port)
      answer_one("200 OK")
    end
    assert_match(/\Adone\t/, run_with("http://blog.test:#{@port}/"))
    later.join
  end

  def test_a_url_that_is_none_does_not_keep_others_from_being_asked
    answering("200 OK")
    said = run_with("http://[", "http://blog.test:#{@port}/")
    assert_equal %w[done failed], said.lines.map { |line| line[/\A\w+/] }.sort
  end

  private

  def run_with(*urls, connect_time: 5)
    output = Output.new
    PhusionPassenger::PreStart.new(urls, output, connect_time: connect_time).run
    output.string
  end

  # Answers one request; its head comes through the queue.
  def answering(status)
    Queue.new.tap { |heads| Thread.new { heads << answer_one(status) } }
  end

  def answer_one(status)
    client = @server.accept
    head = client.gets("\r\n\r\n")
    client.write("HTTP/1.1 #{status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    client.close
    head
  end
end
