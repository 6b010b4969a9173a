# frozen_string_literal: true

require_relative "rack_test_case"

module PhusionPassenger
  # The environment of a request, and the answers and exceptions of an application.
  class RackAdapterTest < RackTestCase
    def test_the_environment_has_the_child_s_variables_and_rack_s
      env = environment_of("HTTP_X_ONE" => "1", "EMPTY" => "")
      assert_equal ["GET", "/", "1", ""],
                   env.values_at("REQUEST_METHOD", "PATH_INFO", "HTTP_X_ONE", "EMPTY")
      assert_equal [[1, 3], true, false, true],
                   env.values_at("rack.version", "rack.multiprocess", "rack.run_once",
                                 "rack.hijack?")
      assert_equal ["http", "HTTP/1.1", "HTTP/1.1"],
                   env.values_at("rack.url_scheme", "SERVER_PROTOCOL", "HTTP_VERSION")
      assert_same $stderr, env["rack.errors"]
    end

    def test_the_variable_https_sets_the_scheme
      assert_equal "https", environment_of("HTTPS" => "on")["rack.url_scheme"]
    end

    def test_rack_multithread_is_true_from_two_threads_on
      assert_equal [false, true],
                   [1, 2].map { |threads| environment_of({}, threads: threads)["rack.multithread"] }
    end

    def test_values_are_binary_and_may_be_changed
      value = environment_of("PATH_INFO" => "/ä")["PATH_INFO"]
      assert_equal ["/ä".b, Encoding::BINARY, false], [value, value.encoding, value.frozen?]
    end

    def test_an_environment_may_have_many_variables
      many = Array.new(3000) { |index| ["HTTP_X_#{index}", index.to_s] }.to_h
      env = environment_of(many)
      assert_equal many, env.slice(*many.keys)
      assert_equal [1, 3], env["rack.version"]
    end

    def test_a_malformed_environment_is_answered_500
      ["", "A", "A\0", "A\0b", "A\0b\0C\0", "\0"].each do |head|
        recorder = nil
        log = logged { recorder = call(->(_) { flunk "called" }, head: head) }
        assert_equal 500, recorder.calls[0][1], head.inspect
        assert_includes log, "not a list of names and values"
      end
    end

    def test_an_application_that_raises_is_answered_500_and_logged
      recorder = nil
      log = logged do
        recorder = call(->(_) { raise NotImplementedError, "not yet" }, "PATH_INFO" => "/broken")
      end
      assert_equal [[:respond, 500, "Content-Type: text/plain\r\nContent-Length: 21\r\n",
                     "Internal Server Error", true]],
                   recorder.calls
      assert_match(%r{event=request.failed method="GET" path="/broken" }, log)
      assert_match(/exception="NotImplementedError" message="not yet"/, log)
      assert_includes log, "#{__FILE__}:"
    end

    def test_an_application_that_raises_after_its_head_breaks_the_answer_off
      recorder = nil
      body = Body.new(["one"], error: "no more")
      logged { recorder = call(->(_) { [200, {}, body] }) }
      assert_equal %i[respond data abort], recorder.calls.map(&:first)
      assert_equal 1, body.closed
    end

    def test_an_application_that_exits_is_answered_500_and_the_exit_is_raised
      recorder = Recorder.new
      assert_raises(SystemExit) { logged { call(->(_) { exit }, recorder: recorder) } }
      assert_equal 500, recorder.calls[0][1]
    end

    def test_a_malformed_answer_is_502_and_one_line_in_the_log
      bad = [[99, {}, []], [nil, {}, []], [200, { "A" => "b\rc" }, []],
             [200, { "A" => "x" * 200_000 }, []],
             [200, {}, Object.new]]
      bad.each do |answer|
        recorder = nil
        log = logged { recorder = call(->(_) { answer }) }
        assert_equal 502, recorder.calls[0][1]
        assert_match(/\Aevent=response.refused [^\n]*reason=[^\n]+\n\z/, log)
      end
    end

    def test_an_answer_without_status_is_502
      [nil, [], 5].each do |answer|
        recorder = nil
        logged { recorder = call(->(_) { answer }) }
        assert_equal 502, recorder.calls[0][1]
      end
    end

    def test_a_client_that_left_is_no_error
      body = Body.new(["one"], error: ClientGone.new("gone"))
      assert_empty logged { call(->(_) { [200, {}, body] }) }
      assert_equal 1, body.closed
    end

    def test_another_broken_pipe_is_an_error_of_the_application
      recorder = nil
      assert_includes logged { recorder = call(->(_) { raise Errno::EPIPE, "its own" }) }, "its own"
      assert_equal 500, recorder.calls[0][1]
    end

    def test_a_request_body_that_breaks_off_is_no_error_of_the_application
      recorder = nil
      assert_empty logged { recorder = call(->(_) { raise BodyBrokenOff, "broken off" }) }
      assert_equal 400, recorder.calls[0][1]
    end

    def test_the_input_is_released_after_each_request
      input = MemoryInput.new("")
      released = false
      input.define_singleton_method(:release) { released = true }
      logged { call(->(_) { raise "no" }, input: input) }
      assert released
    end

    def test_the_head_of_a_partial_hijack_is_sent_before_its_stream
      given = nil
      recorder =
        call(->(_) { [200, { "A" => "1", "rack.hijack" => ->(io) { given = io } }, ["ignored"]] })
      assert_equal [[:respond_and_hijack, 200, "A: 1\r\n", true]], recorder.calls
      assert_same recorder.stream, given
      refute_predicate given, :closed?
    end

    def test_the_chunked_coding_of_a_hijacker_is_announced
      recorder =
        call(->(_) { [200, { "Transfer-Encoding" => "chunked", "rack.hijack" => ->(_) {} }, []] })
      assert_equal "Transfer-Encoding: chunked\r\n", recorder.calls[0][2]
    end

    def test_an_upgrade_may_have_a_body_with_call
      given = nil
      recorder = call(->(_) { [101, {}, ->(io) { given = io }] }, "HTTP_UPGRADE" => "capitals")
      assert_equal [:respond_and_hijack, 101, "", true], recorder.calls[0]
      assert_same recorder.stream, given
    end

    def test_a_hijacker_that_raises_ends_its_stream
      recorder = nil
      log = logged do
        recorder = call(->(_) { [200, { "rack.hijack" => ->(_) { raise "dropped" } }, []] })
      end
      assert_predicate recorder.stream, :closed?
      assert_includes log, "dropped"
    end

    def test_a_head_request_hijacks_nothing
      hijacker = ->(_) { flunk "called" }
      recorder = call(->(_) { [200, { "rack.hijack" => hijacker }, []] }, head_request: true)
      assert_equal [[:respond, 200, "", "", true]], recorder.calls
    end

    def test_an_upgrade_without_a_hijacker_is_refused
      assert_equal 502, logged_call(->(_) { [101, {}, []] },
                                    "HTTP_UPGRADE" => "capitals").calls[0][1]
    end

    def test_an_upgrade_that_the_client_did_not_request_is_refused
      hijacker = ->(_) { flunk "called" }
      [[101, { "rack.hijack" => hijacker }, []], [101, {}, hijacker]].each do |answer|
        assert_equal [[:respond, 502]],
                     logged_call(->(_) { answer }).calls.map { |call| call.take(2) }
      end
    end

    def test_a_body_in_an_unknown_transfer_coding_is_refused
      ["gzip, chunked", "gzip", "chunked, chunked", "identity", "",
       %w[gzip chunked]].each do |coding|
        ["Transfer-Encoding", "transfer-encoding"].each do |name|
          body = Body.new(["coded"])
          recorder = logged_call(->(_) { [200, { name => coding }, body] })
          assert_equal [[:respond, 502]], recorder.calls.map { |call| call.take(2) }, coding.inspect
          assert_equal 1, body.closed
        end
      end
    end

    def test_hijacking_is_not_offered_over_http_2
      env = environment_of("SERVER_PROTOCOL" => "HTTP/2.0")
      assert_equal [false, nil], env.values_at("rack.hijack?", "rack.hijack")
    end

    def test_early_hints_are_sent_at_once_if_they_are_turned_on
      ENV["PASSENGER_EARLY_HINTS"] = "on"
      app = lambda do |env|
        20.times { |number| env["rack.early_hints"].call("Link" => "</#{number}>\n</more>") }
        [200, {}, []]
      end
      calls = call(app).calls
      assert_equal [:interim, 103, "Link: </0>\r\nLink: </more>\r\n"], calls[0]
      assert_equal [16, :respond], [calls.count { |one| one[0] == :interim }, calls.last[0]]
    ensure
      ENV.delete("PASSENGER_EARLY_HINTS")
    end

    def test_early_hints_are_not_offered_unless_they_are_turned_on
      refute_includes environment_of, "rack.early_hints"
    end

    def test_an_input_rewinds_unless_neither_httpd_nor_rack_3_keeps_the_body
      short = "A\0CONTENT_LENGTH\0CONTENT_LENGTH\x00131072\0".b
      heads = [short, "CONTENT_LENGTH\x00131073\0".b, "A\0B\0".b]
      { true => [true, true, true], false => [true, false, false] }.each do |rack_2, rewind|
        kind = Class.new(RackAdapter) { define_method(:rewinding_rack?) { rack_2 } }
        adapter = kind.new(->(_) {}, 1)
        inputs = heads.map { |head| adapter.input_for(nil, head) }
        assert_equal(rewind, inputs.map { |input| input.respond_to?(:rewind) })
        assert_respond_to adapter.input_for(nil, heads[1], kept: true), :rewind
      end
    end

    private

    def logged_call(app, **variables)
      recorder = nil
      logged { recorder = call(app, **variables) }
      recorder
    end

    def environment_of(variables = {}, threads: 1, **more)
      seen = nil
      app = lambda do |env|
        seen = env
        [200, {}, []]
      end
      call(app, threads: threads, **variables.merge(more).transform_keys(&:to_sym))
      seen
    end
  end
end
