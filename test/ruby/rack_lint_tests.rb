# frozen_string_literal: true

require "rack/lint"
require "uri"

module PhusionPassenger
  # Rack::Lint of the installed Rack finds no fault in applications of many kinds, nor in this
  # server. The including class defines `ask` and `stream_of`. `ask` returns interim heads, status,
  # head and body. `stream_of` returns all bytes that an application sends on a hijacked connection.
  module RackLintTests
    TEXT = { "content-type" => "text/plain" }.freeze
    RACK_3 = ::Rack.release.to_i >= 3
    LONG = Array.new(3_000) { |number| "line #{number}\n" }.join.freeze

    def test_a_body_that_is_an_array
      assert_equal [200, "onetwo"],
                   ask(->(_) { [200, { **TEXT, "content-length" => "6" }, %w[one two]] })
                     .values_at(1, 3)
    end

    def test_a_body_with_each
      body = RackTestCase::Body.new(%w[one two])
      assert_equal [200, "onetwo"], ask(->(_) { [200, TEXT.dup, body] }).values_at(1, 3)
      assert_equal 1, body.closed
    end

    def test_a_body_that_is_a_file
      body = RackTestCase::Body.new([File.binread(__FILE__)])
      body.define_singleton_method(:to_path) { __FILE__ }
      assert_equal [200, File.binread(__FILE__)],
                   ask(->(_) { [200, TEXT.dup, body] }).values_at(1, 3)
    end

    def test_an_answer_without_a_body
      assert_equal [204, ""], ask(->(_) { [204, {}, []] }).values_at(1, 3)
    end

    def test_a_body_that_is_called
      skip "Rack 2 has none" unless RACK_3
      body = lambda do |stream|
        stream << "one" << stream.read(3)
        stream.flush
        stream.write(stream.read)
        stream.close_write
        stream.close
      end
      assert_equal [200, "oneposted"],
                   ask(->(_) { [200, TEXT.dup, body] }, posted: ["pos", "ted"]).values_at(1, 3)
    end

    def test_several_values_of_a_header
      skip "Rack 2 parts them by newlines" unless RACK_3
      head = ask(->(_) { [200, { **TEXT, "set-cookie" => %w[a=1 b=2], "x-none" => [] }, []] })[2]
      assert_equal ["set-cookie: a=1", "set-cookie: b=2"],
                   head.lines(chomp: true).grep(/\A(?:set-cookie|x-none)/)
    end

    def test_an_input_is_read_in_pieces
      app = lambda do |env|
        input = env["rack.input"]
        buffer = +""
        pieces = [input.read(3), input.read(0), input.read(5, buffer) && buffer.dup, input.gets]
        2.times { pieces << input.read(10_000) }
        input.each { |line| pieces << line }
        pieces << [input.read, input.gets, input.read(1), input.read(1, buffer), buffer].inspect
        [200, TEXT.dup, [pieces.join]]
      end
      assert_equal "#{LONG}[\"\", nil, nil, nil, \"\"]",
                   ask(app, posted: LONG.scan(/.{1,10000}/m))[3]
    end

    def test_an_input_is_empty_without_a_request_body
      assert_equal "nil\"\"", ask(->(env) { [200, TEXT.dup, [env["rack.input"].gets.inspect,
                                                             env["rack.input"].read.inspect]] })[3]
    end

    def test_an_application_of_rack_2_rewinds_its_input
      skip "Rack 3's Lint keeps it away" if RACK_3
      app = lambda do |env|
        twice = Array.new(2) { env["rack.input"].read.tap { env["rack.input"].rewind } }
        [200, TEXT.dup, twice]
      end
      assert_equal LONG * 2, ask(app, posted: LONG.scan(/.{1,10000}/m))[3]
    end

    def test_early_hints_are_allowed
      ENV["PASSENGER_EARLY_HINTS"] = "on"
      link = if RACK_3
               ["</a>; rel=preload", "</b>; rel=preload"]
             else
               "</a>; rel=preload\n</b>; rel=preload"
             end
      app = lambda do |env|
        env["rack.early_hints"].call("link" => link)
        [200, TEXT.dup, ["hello"]]
      end
      interim, status, = ask(app)
      assert_equal [["link: </a>; rel=preload\r\nlink: </b>; rel=preload\r\n"], 200],
                   [interim, status]
    ensure
      ENV.delete("PASSENGER_EARLY_HINTS")
    end

    def test_a_connection_that_is_taken_over_in_full
      app = lambda do |env|
        io = env["rack.hijack"].call
        io.write("all mine")
        io.close
        [200, {}, []]
      end
      assert_equal "all mine", stream_of(app)
    end

    def test_a_connection_that_is_taken_over_after_a_head
      app = lambda do |env|
        taker = lambda do |io|
          io.write("mine")
          io.flush
          io.close
        end
        [200, env["rack.hijack?"] ? { **TEXT, "rack.hijack" => taker } : TEXT.dup, []]
      end
      assert_equal "mine", stream_of(app)
    end

    def test_response_finished_is_called
      skip "Rack 2 does not have it" unless RACK_3
      told = Thread::Queue.new
      app = lambda do |env|
        env["rack.response_finished"] << ->(env_then, *rest) {
          told << [env_then.equal?(env), *rest]
        }
        [200, { **TEXT, "x-a" => "1" }, ["hello"]]
      end
      assert_equal "hello", ask(app)[3]
      assert_equal [true, 200, { **TEXT, "x-a" => "1" }, nil], in_time { told.pop }
    end
  end
end
