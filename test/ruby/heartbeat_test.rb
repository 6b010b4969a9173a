# frozen_string_literal: true

require_relative "process_test_case"

module PhusionPassenger
  # The heartbeats of an instance.
  class HeartbeatTest < ProcessTestCase
    HEARTBEAT = 82
    INTERVAL = 20

    def setup
      super
      @instance = loaded("instance", "busy.ru")
    end

    def test_heartbeats_begin_as_soon_as_the_instance_serves
      beating
      3.times do
        assert_equal [HEARTBEAT, []], @instance.read.then { |frame| [frame.type, frame.fields] }
      end
    end

    def test_no_heartbeat_is_sent_without_an_interval
      serve(@instance)
      assert_nil @instance.control.io.wait_readable(0.2)
    end

    def test_heartbeats_continue_while_ruby_computes
      child = ask(beating, "/compute")
      answer = Thread.new { child.answer }
      3.times { assert_equal HEARTBEAT, @instance.read.type }
      assert_equal "1", in_time { answer.value }[2]
    end

    def test_no_heartbeat_is_sent_while_a_native_call_keeps_rubys_lock
      child = File.open(File.join(FIXTURES, "busy.ru")) do |file|
        file.flock(File::LOCK_EX)
        ask(beating, "/keep_lock").tap do
          eventually("silence") { @instance.control.io.wait_readable(0.4).nil? || !@instance.read }
        end
      end
      assert_equal "kept", in_time { child.answer }[2]
      assert_equal HEARTBEAT, @instance.read.type
    end

    def test_heartbeats_continue_until_the_last_request_is_answered
      child = ask(beating, "/input", flags: 1)
      @instance.control.write(FINISH)
      10.times { assert_equal HEARTBEAT, @instance.read.type }
      child.send_body(1, "late", last: true)
      assert_equal "late", in_time { child.answer }[2]
      output_of(@instance)
      @agent.wait_for_end(@instance.pid)
    end

    def test_forked_instances_send_heartbeats_too
      preloader = loaded("preloader", "busy.ru")
      2.times do
        @instance = forked_from(preloader)
        beating
        assert_equal HEARTBEAT, @instance.read.type
      end
    end

    def test_a_preloader_that_an_instance_forks_sends_no_heartbeat
      @instance = forked_from(loaded("preloader", "busy.ru"))
      beating
      preloader = @agent.refork_from(@instance)
      assert_equal [48, 51], [preloader.read.type, preloader.read.type]
      assert_nil preloader.control.io.wait_readable(0.2)
      assert_equal HEARTBEAT, @instance.read.type
    end

    def test_an_agent_that_reads_nothing_does_not_delay_the_instance
      raw, io = stream_pair
      socket = FrameSocket.new(io)
      in_time { socket.write_if_room(HEARTBEAT) while io.wait_writable(0) }
      in_time { 3.times { socket.write_if_room(HEARTBEAT) } }
      raw.close
    end

    private

    # The instance serves and sends heartbeats; returns its group.
    def beating
      serve(@instance, heartbeat_interval: INTERVAL, refork_after: 1000)
    end

    # Like `request`; skips heartbeats.
    def ask(group, path, **more)
      child, theirs, id = new_channel(1)
      group.send(channel: id, ticket: 1, environment: Peers::ENVIRONMENT.merge("PATH_INFO" => path),
                 **more)
      assert_equal 57, @instance.read_until(57).last.type
      @instance.control.write(58, id, descriptors: [theirs])
      child
    end
  end
end
