# frozen_string_literal: true

require_relative "process_test_case"

module PhusionPassenger
  # A whole instance, from SERVE to its end.
  class AppInstanceTest < ProcessTestCase
    def setup
      super
      @instance = loaded("instance")
    end

    def test_an_instance_ends_after_the_stopping_hook
      serve(@instance)
      finish(@instance)
      assert_equal "starting forked=false\nsignals installed\nstopping\nat exit\n",
                   output_of(@instance)
      @agent.wait_for_end(@instance.pid)
    end

    # Ids grow with the time since the machine started, and pass 2^53 after 104 days.
    def test_an_instance_fetches_and_claims_a_channel_with_an_id_above_2_to_53
      group = serve(@instance)
      [0x20000000030011, 0x7fffffffffff0013].each do |id|
        group.withdrawal(id, 0)
        child = request(group, @instance, "/input", id: id, flags: 1)
        eventually("the claim") { group.claim(0) == [id, 1] }
        child.send_body(1, "late", last: true)
        assert_equal "late", in_time { child.answer }[2]
      end
    end

    def test_a_channel_for_which_an_instance_has_no_descriptor_is_refused
      group = serve(@instance)
      # An event loop makes descriptors of its own as it begins, after READY.
      get(group, @instance, "/pid")
      use_up_descriptors(@instance)
      request(group, @instance, "/pid", id: 1)
      line = in_time { @instance.output.each_line.find { |one| one.include?("event=channel") } }
      assert_match(/event=channel.not_received .*remedy="a higher limit of open files"/, line)
      assert_equal [59, ["1"]], in_time { @instance.read }.then { |one| [one.type, one.fields] }
      assert_equal [0, 0], group.claim(0)
      limit_files(@instance, 256)
      assert_equal @instance.pid.to_s, get(group, @instance, "/pid")
    end

    def test_finish_ends_an_instance
      serve(@instance)
      finish(@instance)
      assert_includes output_of(@instance), "stopping\nat exit\n"
    end

    def test_the_end_of_the_control_socket_ends_an_instance
      serve(@instance)
      @instance.control.close
      assert_includes output_of(@instance), "stopping\nat exit\n"
    end

    def test_signals_end_an_instance
      %w[TERM INT].each do |signal|
        instance = loaded("instance")
        serve(instance)
        Process.kill(signal, instance.pid)
        assert_includes output_of(instance), "stopping\nat exit\n"
      end
    end

    def test_finish_instead_of_serve_ends_an_instance
      finish(@instance)
      assert_equal "at exit\n", output_of(@instance)
    end

    def test_an_instance_answers_its_request_before_finish_ends_it
      group = serve(@instance, threads: 2)
      child = request(group, @instance, "/input", id: 1, flags: 1)
      eventually("the claim") { group.claim(0) == [1, 1] || group.claim(1) == [1, 1] }
      finish(@instance)
      child.send_body(1, "late", last: true)
      assert_equal "late", in_time { child.answer }[2]
      assert_includes output_of(@instance), "stopping\nat exit\n"
      assert_equal [[0, 0], [0, 0]], [group.claim(0), group.claim(1)]
    end

    def test_an_instance_answers_its_request_before_a_signal_ends_it
      group = serve(@instance)
      child = request(group, @instance, "/input", id: 1, flags: 1)
      eventually("the claim") { group.claim(0) == [1, 1] }
      Process.kill("TERM", @instance.pid)
      child.send_body(1, "late", last: true)
      assert_equal "late", in_time { child.answer }[2]
      assert_includes output_of(@instance), "stopping\nat exit\n"
    end

    # doc/PROTOCOLS.md says what the claim then tells the agent: the request was begun and has no
    # answer.
    def test_an_instance_stops_waiting_for_a_request_in_work_after_a_time_limit
      instance = ours
      group = serve(instance)
      child = request(group, instance, "/", id: 1)
      eventually("the claim") { group.claim(0) == [1, 1] }
      instance.control.write(FINISH)
      assert_match(/event=instance.gave_up_waiting .*requests=1\nstopping\n/, output_of(instance))
      Process.wait(instance.pid)
      assert_equal [1, 1], group.claim(0)
      assert_equal :wait_readable, child.io.recv_nonblock(1, exception: false)
    end

    # EPIPE is the error of a hook that writes to a server that is gone.
    def test_a_failing_stopping_hook_is_logged_and_the_others_are_called
      instance = ours do
        PhusionPassenger.on_event(:stopping_worker_process) do
          puts("first") || raise(Errno::EPIPE, "no server")
        end
      end
      serve(instance)
      instance.control.write(FINISH)
      output = output_of(instance)
      failed = /event=hook.failed .*hook="stopping_worker_process" exception="Errno::EPIPE"/
      assert_match(/\Afirst\n.*#{failed}.*^stopping\n\z/m, output)
      assert_equal 1, output.scan("first").size
      Process.wait(instance.pid)
    end

    def test_an_instance_fetches_a_channel_after_finish
      group = serve(@instance)
      child, theirs, id = new_channel(5)
      group.send(channel: id, ticket: 1,
                 environment: Peers::ENVIRONMENT.merge("PATH_INFO" => "/pid"))
      assert_equal 57, @instance.read.type
      finish(@instance)
      @instance.control.write(58, id, descriptors: [theirs])
      assert_equal @instance.pid.to_s, in_time { child.answer }[2]
      output_of(@instance)
    end

    def test_a_request_whose_channel_cannot_be_fetched_is_not_claimed
      group = serve(@instance)
      group.send(channel: 5, ticket: 1)
      assert_equal [57, ["5"]], @instance.read.then { |frame| [frame.type, frame.fields] }
      @instance.control.write(59, 5)
      assert_equal [0, 0], group.claim(0)
      assert_equal @instance.pid.to_s, get(group, @instance, "/pid")
    end

    # As with a small net.core.wmem_default. The child must not take the request for one that was
    # not begun.
    def test_an_answer_that_the_kernel_refuses_ends_by_a_last_message
      group = serve(@instance)
      child, theirs, id = new_channel(5)
      theirs.setsockopt(:SOCKET, :SNDBUF, 4096)
      group.send(channel: id, ticket: 1,
                 environment: Peers::ENVIRONMENT.merge("PATH_INFO" => "/large"))
      assert_equal 57, @instance.read.type
      @instance.control.write(58, id, descriptors: [theirs])
      theirs.close
      messages = [in_time { child.receive }]
      messages << in_time { child.receive } until messages.last.nil? || messages.last.last?
      assert_includes [1, 6], messages.last&.type
      assert_includes [0, 500], messages.last.status
      assert_equal @instance.pid.to_s, get(group, @instance, "/pid")
      assert_includes read_some, "event=request.failed"
    end

    def test_dropped_channels_are_closed
      group = serve(@instance)
      request(group, @instance, "/pid", id: 1).answer
      request(group, @instance, "/pid", id: 2).answer
      before = get(group, @instance, "/descriptors").lines.size
      @instance.control.write(60, 1, 2)
      eventually("the closing") { get(group, @instance, "/descriptors").lines.size < before }
    end

    def test_threads_answer_at_the_same_time_under_claims_of_their_own
      group = serve(@instance, threads: 2)
      waiting = request(group, @instance, "/input", id: 1, flags: 1)
      assert_equal @instance.pid.to_s, get(group, @instance, "/pid")
      eventually("its claim") { [group.claim(0), group.claim(1)].include?([1, 1]) }
      waiting.send_body(1, "done", last: true)
      assert_equal "done", in_time { waiting.answer }[2]
    end

    def test_an_instance_counts_what_it_has_answered_beside_its_claims
      group = serve(@instance)
      before = Peers.now
      child = request(group, @instance, "/input", id: 1, flags: 1)
      eventually("the claim") { group.claim(0) == [1, 1] }
      assert_equal [0, 0], group.answered(0)
      child.send_body(1, "late", last: true)
      assert_equal "late", in_time { child.answer }[2]
      eventually("the count") { group.answered(0).first == 1 }
      assert_includes before..Peers.now, group.answered(0).last
      group.withdrawal(1, 2)
      group.send(channel: 1, ticket: 2)
      assert_equal [2, 4], in_time { child.receive }.then { |one| [one.ticket, one.type] }
      assert_equal @instance.pid.to_s, get(group, @instance, "/pid")
      eventually("a free claim") { group.claim(0) == [0, 0] }
      assert_equal 2, group.answered(0).first
    end

    def test_a_channel_that_the_agent_does_not_give_holds_no_place
      group = serve(@instance)
      group.send(channel: 7, ticket: 1,
                 environment: Peers::ENVIRONMENT.merge("PATH_INFO" => "/pid"))
      assert_equal [57, ["7"]], @instance.read.then { |frame| [frame.type, frame.fields] }
      assert_equal @instance.pid.to_s, get(group, @instance, "/pid")
      # The late answer.
      child, theirs, = new_channel(7)
      @instance.control.write(58, 7, descriptors: [theirs])
      group.send(channel: 7, ticket: 2,
                 environment: Peers::ENVIRONMENT.merge("PATH_INFO" => "/pid"))
      assert_equal @instance.pid.to_s, in_time { child.answer }[2]
    end

    def test_a_fork_of_the_application_holds_no_descriptor_of_the_instance
      group = serve(@instance)
      assert_match(/^socket:/, get(group, @instance, "/descriptors"))
      found = get(group, @instance, "/fork")
      assert_no_socket found
      refute_match(/^#{Regexp.escape(File.dirname(Dir.tmpdir))}.*deleted/, found)
      assert_equal @instance.pid.to_s, get(group, @instance, "/pid")
    end

    def test_a_fork_that_returns_from_the_application_answers_nothing
      group = serve(@instance)
      child = request(group, @instance, "/return_twice", id: 1)
      assert_equal "parent", in_time { child.answer }[2]
      3.times { assert_equal @instance.pid.to_s, get(group, @instance, "/pid") }
      assert_equal :wait_readable, child.io.recv_nonblock(1, exception: false)
    end

    def test_large_bodies_do_not_enlarge_the_memory_of_an_instance
      group = serve(@instance)
      get(group, @instance, "/pid")
      before = memory_peak
      child = request(group, @instance, "/measure", id: 1, flags: 1)
      600.times { child.send_body(1, "x" * 65_576) }
      child.send_body(1, "", last: true)
      assert_equal (600 * 65_576).to_s, in_time { child.answer }[2]
      in_time { request(group, @instance, "/large", id: 2).answer }
      assert_operator memory_peak - before, :<, 8 * 1024
    end

    def test_many_requests_leave_no_descriptors_behind
      group = serve(@instance)
      before = get(group, @instance, "/descriptors").lines.size
      child = request(group, @instance, "/pid", id: 1)
      child.answer
      2.upto(500) do |ticket|
        group.send(channel: 1, ticket: ticket,
                   environment: Peers::ENVIRONMENT.merge("PATH_INFO" => "/pid"))
        in_time { child.answer }
      end
      @instance.control.write(60, 1)
      eventually("the closing") { get(group, @instance, "/descriptors").lines.size <= before + 3 }
    end

    def test_ends_of_the_application_s_own_processes_disturb_nothing
      group = serve(@instance)
      5.times do
        started = get(group, @instance, "/background")
        eventually("its end") { !File.exist?("/proc/#{started}") }
      end
      assert_equal @instance.pid.to_s, get(group, @instance, "/pid")
    end

    def test_an_application_that_exits_is_answered_500_and_ends_the_instance
      group = serve(@instance)
      child = request(group, @instance, "/exit", id: 1)
      assert_equal 500, in_time { child.answer }[0]
      assert_includes output_of(@instance), "stopping\nat exit\n"
    end

    def test_quit_writes_backtraces_and_the_instance_continues
      group = serve(@instance)
      get(group, @instance, "/pid") # after READY its threads may still have to start
      Process.kill("QUIT", @instance.pid)
      eventually("the backtraces") { (@seen = "#{@seen}#{read_some}").include?("Thread main of") }
      assert_includes @seen, "Thread Passenger control of process #{@instance.pid}:"
      assert_includes @seen, "request_handler.rb"
      assert_equal @instance.pid.to_s, get(group, @instance, "/pid")
    end

    def test_an_instance_outlives_a_hangup
      group = serve(@instance)
      get(group, @instance, "/pid")
      Process.kill("HUP", @instance.pid)
      # A second signal of the process comes after the first one.
      Process.kill("QUIT", @instance.pid)
      eventually("the backtraces") { (@seen = "#{@seen}#{read_some}").include?("Thread ") }
      assert_equal @instance.pid.to_s, get(group, @instance, "/pid")
    end

    def test_an_instance_tells_the_agent_where_its_threads_are
      group = serve(@instance)
      get(group, @instance, "/pid")
      @instance.control.write(83)
      frame = in_time { @instance.read }
      assert_equal [83, 1], [frame.type, frame.fields.size]
      assert_includes frame.text(0), "Thread Passenger control of process #{@instance.pid}:"
      assert_includes frame.text(0), "Thread main of process #{@instance.pid}:"
      @instance.control.write(83, "log")
      eventually("the backtraces") { (@seen = "#{@seen}#{read_some}").include?("Thread main of") }
      assert_equal @instance.pid.to_s, get(group, @instance, "/pid")
    end

    def test_the_title_of_an_instance_names_its_group
      group = serve(@instance)
      assert_equal "#{FIXTURES}\nPassenger RubyApp: /srv/probe (test)",
                   get(group, @instance, "/place")
      assert_includes File.read("/proc/#{@instance.pid}/cmdline"),
                      "Passenger RubyApp: /srv/probe (test)"
    end

    def test_an_unknown_frame_is_logged_and_has_no_other_effect
      group = serve(@instance)
      @instance.control.write(200, "what")
      assert_equal @instance.pid.to_s, get(group, @instance, "/pid")
      eventually("the line") do
        (@seen = "#{@seen}#{read_some}").include?("event=control.unexpected_frame")
      end
    end

    def test_a_broken_control_socket_ends_an_instance_with_one_line
      serve(@instance)
      @instance.control.io.syswrite("\xFF" * 8)
      output = output_of(@instance)
      assert_equal 1, output.scan("event=control.broken").size
      assert_includes output, "stopping\nat exit\n"
    end

    def test_cells_beyond_the_claims_are_refused
      group = closing(Peers::Group.new)
      @instance.control.write(55, *Peers.serve_fields(cell: 65_535, threads: 2),
                              descriptors: [group.receiver, group.claims, group.withdrawals])
      assert_nil @instance.read
      assert_includes output_of(@instance), "2 threads from cell 65535 on"
    end

    private

    # A process of this test whose application never answers, and which waits only briefly for it.
    # `hooks` runs in the process.
    def ours(&hooks)
      ours, control = stream_pair
      reader, output = IO.pipe.each { |io| closing(io) }
      pid = fork { run_impatient(FrameSocket.new(control), output, &hooks) }
      [control, output].each(&:close)
      Peers::Agent::Started.new(pid, FrameSocket.new(ours), reader)
    end

    def run_impatient(control, output)
      [$stdout, $stderr].each { |io| io.reopen(output) }
      $stdout.sync = $stderr.sync = true
      yield if block_given?
      PhusionPassenger.on_event(:stopping_worker_process) { puts "stopping" }
      AppInstance.new(control, ->(_env) { sleep }, forked: false, finish_within: 0.1).run
      (Thread.list - [Thread.current]).each { |thread| thread.kill.join } # as Ruby does at its end
    ensure
      exit!
    end

    # In KiB.
    def memory_peak
      File.read("/proc/#{@instance.pid}/status")[/VmHWM:\s+(\d+)/, 1].to_i
    end
  end
end
