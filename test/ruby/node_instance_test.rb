# frozen_string_literal: true

require_relative "runs_node"
require_relative "app_instance_test"
require_relative "app_instance_pause_test"
require_relative "app_instance_handover_test"
require_relative "app_instance_own_queue_test"

module PhusionPassenger
  # The tests of Ruby's instances, with an instance of Node. Those that need Ruby's own hooks and
  # threads are replaced.
  class NodeInstanceTest < AppInstanceTest
    prepend RunsNode

    def test_finish_instead_of_serve_ends_an_instance
      finish(@instance)
      assert_includes output_of(@instance), "at exit\n"
    end

    def test_quit_writes_backtraces_and_the_instance_continues
      group = serve(@instance)
      Process.kill("QUIT", @instance.pid)
      text = /^Thread main of process #{@instance.pid} is not blocked/
      assert in_time { @instance.output.each_line.find { |line| line.match?(text) } }
      assert_equal @instance.pid.to_s, get(group, @instance, "/pid")
    end

    def test_an_instance_tells_the_agent_where_its_threads_are
      serve(@instance)
      @instance.control.write(83)
      frame = in_time { @instance.read }
      assert_equal 83, frame.type
      assert_match(/\AThread main of process #{@instance.pid} is not blocked/, frame.fields.first)
    end

    def test_the_title_of_an_instance_names_its_group
      group = serve(@instance)
      folder, title = get(group, @instance, "/place").split("\n")
      assert_equal FIXTURES, folder
      assert title.start_with?("Passenger NodeApp: "), title
    end

    # The instance ends with the request, and the agent sends LOST.
    def test_an_application_that_exits_is_answered_500_and_ends_the_instance
      group = serve(@instance)
      request(group, @instance, "/exit", id: 1)
      assert_includes output_of(@instance), "stopping\nat exit\n"
      assert_equal [1, 1], group.claim(0)
    end

    def test_an_instance_stops_waiting_for_a_request_in_work_after_a_time_limit
      skip "test/node/instance_test.js has this test"
    end

    def test_a_failing_stopping_hook_is_logged_and_the_others_are_called
      skip "Node has no hooks"
    end

    # The longest PassengerStartTimeout has more milliseconds than a timer of Node.
    def test_an_application_that_listens_late_starts_with_the_longest_start_timeout
      late = 'setTimeout(() => require("http").createServer().listen(3000), 200);'
      in_folder("late.js" => late) do |root|
        loaded("instance", "late.js", { app_root: root, start_timeout: 31_536_000 })
      end
    end

    # The spawn server and a login shell have taken their time already.
    def test_the_time_for_the_start_ends_at_the_agents_deadline
      commands = [{ app_type: "node" }, { app_type: "", start_command: "exec sleep 4715" }]
      commands.each do |command|
        now = Process.clock_gettime(Process::CLOCK_MONOTONIC, :millisecond)
        instance = begun({ start_timeout: 3600, start_deadline: now + 1000, **command })
        message = instance.read_until(52).last.fields[2]
        assert_match(/ after PassengerStartTimeout, 3600 seconds/, message)
      end
    end

    def test_an_instance_that_is_ended_before_it_listens_reports_no_failure
      ends = [->(one) { finish(one) }, ->(one) { Process.kill("TERM", one.pid) },
              ->(one) { one.control.io.shutdown(Socket::SHUT_WR) }]
      ends.each do |ending|
        instance = waiting
        ending.call(instance)
        frames = instance.read_until(nil)
        refute_includes frames.compact.map(&:type), 52
        assert_equal "", output_of(instance)
      end
    end

    # The kernel cannot watch a file.
    def test_a_request_is_not_begun_if_its_channel_cannot_be_watched
      group = serve(@instance)
      group.send(channel: 1, ticket: 1,
                 environment: Peers::ENVIRONMENT.merge("PATH_INFO" => "/exit"))
      assert_equal 57, @instance.read.type
      File.open(__FILE__) { |file| @instance.control.write(58, 1, descriptors: [file]) }
      assert_equal [59, ["1"]], @instance.read.then { |frame| [frame.type, frame.fields] }
      assert_equal "hello", get(group, @instance, "/")
      assert_match(/event=channel\.not_watched .*reason=".*EPERM"/, read_some)
    end

    def test_an_instance_ends_if_its_queue_cannot_be_watched
      group = closing(Peers::Group.new)
      File.open(__FILE__) do |file|
        @instance.control.write(55, *Peers.serve_fields,
                                descriptors: [file, group.claims, group.withdrawals])
      end
      assert_match(/descriptor \d+ cannot be watched: EPERM/, output_of(@instance))
    end

    def test_a_program_that_starts_node_as_another_process_becomes_a_bridge
      instance = wrapped('/usr/bin/env node "$@"; exit $?')
      assert_equal 51, instance[1].last&.type, -> { instance[0].output.read }
    end

    def test_a_node_that_loads_no_native_code_fails_with_a_remedy
      _, frames = wrapped('exec /usr/bin/env node --no-addons "$@"')
      assert_equal 52, frames.last&.type
      assert_match(/cannot take requests itself: .*addon.*SetEnv PASSENGER_NATIVE off/m,
                   frames.last.fields[2])
    end

    def test_the_application_closes_a_request_of_which_the_head_is_incomplete
      group = serve(@instance, threads: 2)
      child = request(group, @instance, "/input", id: 1, flags: 1, head_length: 100_000)
      closing = request(group, @instance, "/close-all", id: 2)
      assert_equal([502, 502], in_time { [child, closing].map { |one| one.answer[0] } })
      assert_equal "hello", get(group, @instance, "/")
      eventually("free claims") { [group.claim(0), group.claim(1)] == [[0, 0], [0, 0]] }
    end

    def test_a_body_or_head_that_ends_early_is_a_bad_request
      group = serve(@instance)
      environment = with_length(10)
      [{ environment: environment }, { head_length: 100_000 }].each.with_index(1) do |more, id|
        child = request(group, @instance, "/input", id: id, flags: 1, **more)
        child.send_body(1, "short", last: true)
        assert_equal([400, "Bad Request"], in_time { child.answer }.values_at(0, 2))
        eventually("a free claim") { group.claim(0) == [0, 0] }
        # The instance has dropped the channel.
        group.send(channel: id, ticket: 2)
        assert_equal [57, [id.to_s]], @instance.read.then { |frame| [frame.type, frame.fields] }
        @instance.control.write(59, id)
      end
    end

    def test_a_body_may_come_as_a_file
      body = "0123456789" * 20_000
      in_folder("body" => body) do |folder|
        child = request(serve(@instance), @instance, "/input", id: 1, flags: 1 | 8,
                        environment: with_length(body.size))
        File.open("#{folder}/body") { |file| child.send_body_file(1, file, body.size) }
        assert_equal([200, body], in_time { child.answer }.values_at(0, 2))
        refute_includes descriptors_of(@instance).values, "#{folder}/body"
      end
    end

    # As in a process without room for one more.
    def test_a_file_that_lost_its_descriptor_is_no_fault_of_the_client
      child = request(serve(@instance), @instance, "/input", id: 1, flags: 1 | 8,
                      environment: with_length(10))
      child.send_body(1, [10].pack("Q<"), type: 33, last: true)
      assert_equal([503, "Service Unavailable"], in_time { child.answer }.values_at(0, 2))
    end

    # httpd does so when the exchange is over.
    def test_a_file_that_becomes_empty_is_a_body_that_ends_early
      in_folder("body" => "") do |folder|
        child = request(serve(@instance), @instance, "/input", id: 1, flags: 1 | 8,
                        environment: with_length(10))
        File.open("#{folder}/body") { |file| child.send_body_file(1, file, 10) }
        assert_equal([400, "Bad Request"], in_time { child.answer }.values_at(0, 2))
        eventually("no file") { !descriptors_of(@instance).value?("#{folder}/body") }
      end
    end

    def test_a_body_that_ends_early_breaks_an_answer_that_has_begun
      group = serve(@instance)
      environment = Peers::ENVIRONMENT.merge("PATH_INFO" => "/begun", "CONTENT_LENGTH" => "10")
      child = request(group, @instance, "/begun", id: 1, flags: 1, environment: environment)
      assert_equal 200, in_time { child.receive }.status
      child.send_body(1, "short", last: true)
      last = in_time { child.receive }
      assert_equal [6, true], [last.type, last.last?]
    end

    def test_messages_of_other_exchanges_beyond_the_limit_are_a_bad_request
      group = serve(@instance)
      child = request(group, @instance, "/input", id: 1, flags: 1)
      20.times { child.send_body(9, "x" * 65_576) }
    rescue Errno::EPIPE
      # The instance has dropped the channel.
    ensure
      assert_equal([400, "Bad Request"], in_time { child.answer }.values_at(0, 2))
    end

    # A piece takes so long that the next one is there.
    def test_an_upload_leaves_turns_of_the_event_loop_to_others
      group = serve(@instance)
      child = request(group, @instance, "/most", id: 1, flags: 1)
      40.times { child.send_body(1, "x" * 65_576) }
      child.send_body(1, "", last: true)
      assert_operator Integer(in_time { child.answer }[2]), :<=, 12
    end

    # The garbage collector of Node waits for more than Ruby's.
    def test_large_bodies_do_not_enlarge_the_memory_of_an_instance
      group = serve(@instance)
      child = request(group, @instance, "/measure", id: 1, flags: 1)
      600.times { child.send_body(1, "x" * 65_576) }
      child.send_body(1, "", last: true)
      assert_equal (600 * 65_576).to_s, in_time { child.answer }[2]
      in_time { request(group, @instance, "/large", id: 2).answer }
    end

    private

    def with_length(length)
      Peers::ENVIRONMENT.merge("PATH_INFO" => "/input", "CONTENT_LENGTH" => length.to_s)
    end

    def wrapped(text)
      Dir.mktmpdir do |folder|
        program = File.join(folder, "wrapper")
        File.write(program, "#!/bin/sh\n#{text}\n", perm: 0o755)
        load("instance", "probe.ru", { nodejs: program })
      end
    end

    # An instance that loads an application for ever.
    def begun(more)
      _, instance = @agent.start("bridge", ruby: AGENT)
      assert_equal 48, instance.read.type
      instance.control.write(49, *options("waits.js", { spawn_dir: Dir.tmpdir, **more }).flatten)
      instance
    end

    def waiting
      instance = begun({ app_type: "node", start_timeout: 60 })
      steps = []
      steps << instance.read.fields until steps.last&.first(2) == ["application listens", "begin"]
      # It has a listener for SIGTERM.
      instance.booted
      instance
    end
  end

  class NodePauseTest < AppInstancePauseTest
    prepend RunsNode
  end

  class NodeHandoverTest < AppInstanceHandoverTest
    prepend RunsNode
  end

  class NodeOwnQueueTest < AppInstanceOwnQueueTest
    prepend RunsNode
  end
end
