# frozen_string_literal: true

require_relative "support/integration_test"

# 1xx answers: rack.early_hints, and an application that writes to its reply channel itself.
class InterimAnswersTest < IntegrationTest
  APPLICATION = <<~'RUBY'
    module SendsInterimAnswers
      def respond(*, **)
        Thread.current[:interim_answers].times do |number|
          head = "X-Number: #{number}\r\n"
          @channel.send_message([@ticket, 3, 0, 103, head.bytesize, 0, 0, head].pack("Q<CCvVVVa*"))
        end
        super
      end
    end

    run(lambda do |env|
      PhusionPassenger::Reply.prepend(SendsInterimAnswers)
      Thread.current[:interim_answers] = env["PATH_INFO"].delete("/").to_i
      [200, { "Content-Type" => "text/plain", "Content-Length" => "5" }, ["final"]]
    end)
  RUBY

  HINTS = <<~'RUBY'
    run(lambda do |env|
      env["rack.early_hints"].call("Link" => "</a.css>; rel=preload\n</b.js>; rel=preload")
      [200, { "Content-Type" => "text/plain", "Content-Length" => "5" }, ["final"]]
    end)
  RUBY

  serve do |made|
    made.site("rack.test", SampleApps.written(APPLICATION))
    made.site("hints.test", SampleApps.written(HINTS), "SetEnv PASSENGER_EARLY_HINTS on\n")
  end

  def setup
    @raw = server.raw
  end

  def teardown
    @raw.close
  end

  def test_sixteen_interim_answers_arrive_before_the_answer
    @raw.request("GET", "/16")
    numbers = Array.new(16) { @raw.read_head.then { |head| [head.status, head["X-Number"]] } }
    assert_equal Array.new(16) { |number| [103, number.to_s] }, numbers
    assert_equal [200, "final"], @raw.response.then { |response| [response.status, response.body] }
  end

  def test_early_hints_arrive_before_the_answer
    raw = server.raw("hints.test")
    head = raw.request("GET", "/").read_head
    assert_equal [103, ["</a.css>; rel=preload", "</b.js>; rel=preload"]],
                 [head.status, head.all("Link")]
    assert_equal [200, "final"], raw.response.then { |response| [response.status, response.body] }
  ensure
    raw&.close
  end

  def test_interim_answers_without_end_are_a_malformed_answer
    position = server.log.position
    @raw.request("GET", "/100000")
    16.times { assert_equal 103, @raw.read_head.status }
    assert_equal 502, @raw.response.status
    assert_match(/status=502 reason="malformed/,
                 server.log.wait_for(/request\.failed/, from: position))
    assert_equal 200, client.get("/0").code.to_i
  end
end
