# frozen_string_literal: true

require_relative "rack_test_case"

module PhusionPassenger
  # What is done when nobody waits for the answer any more.
  class AfterReplyTest < RackTestCase
    FINISHED = "rack.response_finished"

    # As under Rack 3, whichever is here.
    class Rack3Adapter < RackAdapter
      private

      def rewinding_rack?
        false
      end
    end

    def test_what_the_application_leaves_for_later_runs_after_its_answer
      recorder = Recorder.new
      seen = nil
      app = lambda do |env|
        env["rack.after_reply"] << -> { seen = recorder.calls.dup }
        [200, {}, ["now"]]
      end
      call(app, recorder: recorder)
      assert_equal [[:respond, 200, "", "now", true]], seen
    end

    def test_what_fails_after_the_answer_is_logged_and_the_rest_is_done
      done = false
      app = lambda do |env|
        env["rack.after_reply"] << -> { raise "too late" } << -> { done = true }
        [200, {}, ["now"]]
      end
      log = logged { assert_equal 1, call(app).calls.size }
      assert_match(/\Aevent=after_reply.failed [^\n]*too late/, log)
      assert done
    end

    def test_rack_3_is_offered_to_be_told_of_the_end_and_rack_2_is_not
      refute_empty(ended_with { [200, {}, []] })
      seen = nil
      app = lambda do |env|
        seen = env.key?(FINISHED)
        [200, {}, []]
      end
      call(app)
      assert_equal Rack.release.to_i >= 3, seen
    end

    def test_the_last_that_was_added_is_told_first_after_the_body_was_closed
      body = Body.new(["now"])
      told = ended_with do |env|
        env[FINISHED] << ->(*) { @order = [1, body.closed, @recorder.calls.last] } << ->(*) { @order = [2] }
        [200, { "a" => "1" }, body]
      end
      assert_equal [1, 1, [:data, "", true]], @order
      env, *rest = told
      assert_equal "/", env["PATH_INFO"]
      assert_equal [200, { "a" => "1" }, nil], rest
    end

    def test_it_is_told_what_kept_the_answer_from_being_sent
      gone = ClientGone.new("gone")
      assert_equal [200, {}, gone], ended_with { [200, {}, Body.new(["one"], error: gone)] }.drop(1)
      status, headers, error = ended_with { raise NotImplementedError, "not yet" }.drop(1)
      assert_equal [nil, nil, NotImplementedError], [status, headers, error.class]
      assert_instance_of BodyBrokenOff, ended_with { raise BodyBrokenOff, "broken off" }.last
      assert_equal [99, BadResponse], ended_with { [99, {}, []] }.values_at(1, 3).then { |number, bad| [number, bad.class] }
    end

    def test_an_application_that_exits_has_finished_too
      assert_raises(SystemExit) { ended_with { exit(3) } }
      assert_equal 3, @told.last.status
    end

    def test_one_that_fails_is_logged_and_the_others_are_told
      told = nil
      log = logged do
        told = ended_with(quiet: false) do |env|
          env[FINISHED] << ->(*) { raise NoMemoryError, "too late" }
          [200, {}, ["now"]]
        end
      end
      assert_match(%r{\Aevent=response_finished.failed method="GET" path="/" exception="NoMemoryError" message="too late"}, log)
      assert_equal 200, told[1]
    end

    def test_an_application_may_take_the_arrays_away
      assert_empty(ended_with do |env|
        env[FINISHED] = env["rack.after_reply"] = nil
        [200, {}, []]
      end)
    end

    private

    # With what the first that was added to rack.response_finished was called; empty: it was not.
    def ended_with(quiet: true, &answer)
      @told = []
      @recorder = Recorder.new
      app = lambda do |env|
        env[FINISHED] << ->(*arguments) { @told = arguments }
        answer.call(env)
      end
      quiet ? logged { call_as_rack_3(app) } : call_as_rack_3(app)
      @told
    end

    def call_as_rack_3(app)
      Rack3Adapter.new(app, 1).call(Peers.environment_bytes(Peers::ENVIRONMENT), MemoryInput.new(""), @recorder)
    end
  end
end
