# frozen_string_literal: true

require_relative "support/integration_test"

# 1xx answers. No interface of Ruby's offers them yet, so the application speaks with its reply channel itself.
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

  serve { |made| made.site("rack.test", SampleApps.written(APPLICATION)) }

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

  def test_interim_answers_without_end_are_a_malformed_answer
    position = server.log.position
    @raw.request("GET", "/100000")
    16.times { assert_equal 103, @raw.read_head.status }
    assert_equal 502, @raw.response.status
    assert_match(/status=502 reason="malformed/, server.log.wait_for(/request\.failed/, from: position))
    assert_equal 200, client.get("/0").code.to_i
  end
end
