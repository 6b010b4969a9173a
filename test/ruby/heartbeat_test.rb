# frozen_string_literal: true

require_relative "process_test_case"

module PhusionPassenger
  # Signs of life of an instance.
  class HeartbeatTest < ProcessTestCase
    HEARTBEAT = 82
    INTERVAL = 20

    def setup
      super
      @instance = loaded("instance", "busy.ru")
    end

    def test_signs_come_as_soon_as_it_serves
      beating
      3.times { assert_equal [HEARTBEAT, []], @instance.read.then { |frame| [frame.type, frame.fields] } }
    end

    def test_none_comes_where_none_is_wanted
      serve(@instance)
      assert_nil @instance.control.io.wait_readable(0.2)
    end

    def test_they_come_while_ruby_computes
      child = ask(beating, "/compute")
      answer = Thread.new { child.answer }
      3.times { assert_equal HEARTBEAT, @instance.read.type }
      assert_equal "1", in_time { answer.value }[2]
    end

    def test_none_comes_while_a_native_call_keeps_rubys_lock
      child = File.open(File.join(FIXTURES, "busy.ru")) do |file|
        file.flock(File::LOCK_EX)
        ask(beating, "/keep_lock").tap { eventually("silence") { @instance.control.io.wait_readable(0.4).nil? || !@instance.read } }
      end
      assert_equal "kept", in_time { child.answer }[2]
      assert_equal HEARTBEAT, @instance.read.type
    end

    def test_they_come_until_its_last_request_is_answered
      child = ask(beating, "/input", flags: 1)
      @instance.control.write(FINISH)
      10.times { assert_equal HEARTBEAT, @instance.read.type }
      child.send_body(1, "late", last: true)
      assert_equal "late", in_time { child.answer }[2]
      output_of(@instance)
      @agent.wait_for_end(@instance.pid)
    end

    def test_they_come_from_forked_instances_too
      preloader = loaded("preloader", "busy.ru")
      2.times do
        @instance = forked_from(preloader)
        beating
        assert_equal HEARTBEAT, @instance.read.type
      end
    end

    def test_a_preloader_that_it_makes_sends_none
      @instance = forked_from(loaded("preloader", "busy.ru"))
      beating
      preloader = @agent.refork_from(@instance)
      assert_equal [48, 51], [preloader.read.type, preloader.read.type]
      assert_nil preloader.control.io.wait_readable(0.2)
      assert_equal HEARTBEAT, @instance.read.type
    end

    def test_an_agent_that_reads_nothing_holds_nobody_up
      raw, io = stream_pair
      socket = FrameSocket.new(io)
      in_time { socket.write_if_room(HEARTBEAT) while io.wait_writable(0) }
      in_time { 3.times { socket.write_if_room(HEARTBEAT) } }
      raw.close
    end

    private

    # The instance serves, and sends signs; gives its group.
    def beating
      serve(@instance, max_requests: [0, 0, 0, INTERVAL])
    end

    # As `request`, among signs.
    def ask(group, path, **more)
      child, theirs, id = new_channel(1)
      group.send(channel: id, ticket: 1, environment: Peers::ENVIRONMENT.merge("PATH_INFO" => path), **more)
      assert_equal 57, @instance.read_until(57).last.type
      @instance.control.write(58, id, descriptors: [theirs])
      child
    end
  end
end
