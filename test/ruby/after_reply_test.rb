# frozen_string_literal: true

require_relative "rack_test_case"

module PhusionPassenger
  # Blocks that an application runs after its answer.
  class AfterReplyTest < RackTestCase
    FINISHED = "rack.response_finished"

    # Behaves as under Rack 3, whichever Rack is installed.
    class Rack3Adapter < RackAdapter
      private

      def rewinding_rack?
        false
      end
    end

    def test_blocks_in_after_reply_run_after_the_answer
      recorder = Recorder.new
      seen = nil
      app = lambda do |env|
        env["rack.after_reply"] << -> { seen = recorder.calls.dup }
        [200, {}, ["now"]]
      end
      call(app, recorder: recorder)
      assert_equal [[:respond, 200, "", "now", true]], seen
    end

    def test_a_block_that_fails_after_the_answer_is_logged_and_the_others_run
      done = false
      app = lambda do |env|
        env["rack.after_reply"] << -> { raise "too late" } << -> { done = true }
        [200, {}, ["now"]]
      end
      log = logged { assert_equal 1, call(app).calls.size }
      assert_match(/\Aevent=after_reply.failed [^\n]*too late/, log)
      assert done
    end

    def test_work_that_the_answer_asks_for_runs_after_it
      recorder = nil
      seen = []
      PhusionPassenger.on_event(:oob_work) { seen << recorder.calls.last }
      names = ["!~Request-OOB-Work", "!~request-oob-work",
               "X-Passenger-Request-OOB-Work", "x-passenger-request-oob-work"]
      ["A", *names, "!~Other"].each do |name|
        recorder = Recorder.new
        call(->(_env) { [200, { name => "true" }, [name]] }, recorder: recorder)
      end
      logged { call(->(_env) { raise "no answer" }) }
      assert_equal names.map { |name| [:respond, 200, "", name, true] }, seen
    ensure
      Hooks.instance_variable_get(:@blocks).clear
    end

    def test_requests_of_rack_3_have_response_finished_and_those_of_rack_2_do_not
      refute_empty(ended_with { [200, {}, []] })
      seen = nil
      app = lambda do |env|
        seen = env.key?(FINISHED)
        [200, {}, []]
      end
      call(app)
      assert_equal ::Rack.release.to_i >= 3, seen
    end

    def test_response_finished_is_called_in_reverse_order_after_the_body_was_closed
      body = Body.new(["now"])
      told = ended_with do |env|
        env[FINISHED] << ->(*) { @order = [1, body.closed, @recorder.calls.last] } <<
          ->(*) { @order = [2] }
        [200, { "a" => "1" }, body]
      end
      assert_equal [1, 1, [:data, "", true]], @order
      env, *rest = told
      assert_equal "/", env["PATH_INFO"]
      assert_equal [200, { "a" => "1" }, nil], rest
    end

    def test_response_finished_gets_the_error_that_kept_the_answer_from_being_sent
      gone = ClientGone.new("gone")
      assert_equal [200, {}, gone], ended_with { [200, {}, Body.new(["one"], error: gone)] }.drop(1)
      status, headers, error = ended_with { raise NotImplementedError, "not yet" }.drop(1)
      assert_equal [nil, nil, NotImplementedError], [status, headers, error.class]
      assert_instance_of BodyBrokenOff, ended_with { raise BodyBrokenOff, "broken off" }.last
      assert_equal [99, BadResponse], ended_with { [99, {}, []] }.values_at(1, 3)
                     .then { |number, bad| [number, bad.class] }
    end

    def test_response_finished_gets_the_error_that_a_stream_has_rescued
      body = lambda do |stream|
        stream.write("one")
      rescue Errno::EPIPE
        stream.close
      end
      assert_instance_of ClientGone, ended_with(recorder: LeftRecorder.new) { [200, {}, body] }.last
    end

    def test_response_finished_is_called_after_an_application_that_exits
      assert_raises(SystemExit) { ended_with { exit(3) } }
      assert_equal 3, @told.last.status
    end

    def test_a_failing_response_finished_is_logged_and_the_others_are_called
      told = nil
      log = logged do
        told = ended_with(quiet: false) do |env|
          env[FINISHED] << ->(*) { raise NoMemoryError, "too late" }
          [200, {}, ["now"]]
        end
      end
      begin_of = %r{\Aevent=response_finished.failed method="GET" path="/" }
      assert_match(/#{begin_of}exception="NoMemoryError" message="too late"/, log)
      assert_equal 200, told[1]
    end

    def test_an_application_may_remove_the_arrays_of_callbacks
      assert_empty(ended_with do |env|
        env[FINISHED] = env["rack.after_reply"] = nil
        [200, {}, []]
      end)
    end

    def test_what_the_application_left_behind_its_answer_does_not_end_the_instance
      PhusionPassenger.on_event(:oob_work) { flunk "no answer asks for it" }
      [[{ "\xFF" => "1" }, []], [5, []], [{}, -> {}]].each do |headers, blocks|
        environment = { "rack.after_reply" => blocks }
        log = logged { AfterReply.new(false).run(environment, 200, headers, nil) }
        assert_match(/\Aevent=after_reply.failed path="" exception=/, log)
      end
    ensure
      Hooks.instance_variable_get(:@blocks).clear
    end

    def test_what_stands_in_place_of_one_array_keeps_no_other_work_from_being_done
      done = []
      PhusionPassenger.on_event(:oob_work) { done << :oob_work }
      [["rack.after_reply", FINISHED], [FINISHED, "rack.after_reply"]].each do |name, other|
        environment = { name => -> {}, other => [->(*) { done << other }] }
        log = logged do
          AfterReply.new(true).run(environment, 200, { "!~Request-OOB-Work" => "1" }, nil)
        end
        assert_match(/\Aevent=#{name.delete_prefix('rack.')}.failed /, log)
      end
      assert_equal [FINISHED, :oob_work, "rack.after_reply", :oob_work], done
    ensure
      Hooks.instance_variable_get(:@blocks).clear
    end

    private

    # Returns the arguments of the first block in rack.response_finished; empty if it was not
    # called.
    def ended_with(quiet: true, recorder: Recorder.new, &answer)
      @told = []
      @recorder = recorder
      app = lambda do |env|
        env[FINISHED] << ->(*arguments) { @told = arguments }
        answer.call(env)
      end
      quiet ? logged { call_as_rack_3(app) } : call_as_rack_3(app)
      @told
    end

    def call_as_rack_3(app)
      Rack3Adapter.new(app, 1).call(Peers.environment_bytes(Peers::ENVIRONMENT),
                                    MemoryInput.new(""), @recorder)
    end
  end
end
