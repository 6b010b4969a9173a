# frozen_string_literal: true

require_relative "support/prefork_test_case"

# passenger-prefork: restarts, successors, and processes that die, while requests come.
class PreforkLifeTest < PreforkTestCase
  def test_a_restart_fails_no_request_and_replaces_every_worker
    made = command(*fixed(2))
    before = made.workers
    answers = load_on(made) do |load|
      made.signal(:HUP)
      made.wait_for_log(/event=prefork\.restarted/)
      load.wait_for("an answer of a new worker") { |answer| !before.include?(answer.body.to_i) }
    end
    assert_all_fine(answers)
    eventually("the end of the old workers") { (made.workers & before).empty? }
    assert_equal 2, made.workers.size
  end

  # systemctl kill does this.
  def test_signals_to_all_processes_have_an_effect_in_the_monitor_only
    made = command(*fixed(2))
    before = made.workers
    %i[USR1 TTIN TTOU].each { |name| signal_all(name, made.pid, before) }
    made.wait_for_log(/event=prefork\.status/)
    answers = load_on(made) do
      signal_all(:HUP, made.pid, before)
      made.wait_for_log(/event=prefork\.restarted/)
    end
    assert_all_fine(answers)
    eventually("the end of the old workers") { (made.workers & before).empty? }
    refute_match(/worker_died/, made.log)
  end

  # As `trap 'kill 0' EXIT` in a shell script.
  def test_an_application_that_signals_its_process_group_ends_its_worker_alone
    made = command(*fixed(2), pgroup: true, app: <<~APP)
      run lambda { |env|
        Process.kill(:TERM, 0) if env["PATH_INFO"] == "/kill"
        [200, {}, [Process.pid.to_s]]
      }
    APP
    killed = made.get("/kill").body
    made.wait_for_log(/event=worker\.ended pid=#{killed} /)
    answers = load_on(made) { eventually("two workers") { made.status["free"] == 2 } }
    assert_all_fine(answers)
    refute_match(/event=prefork\.ending/, made.log)
  end

  def test_repeated_restart_signals_cause_one_restart
    made = command(*fixed(2))
    made.write_app(PreforkCommand::LOADING)
    before = made.workers
    most = 0
    10.times do
      made.signal(:HUP)
      most = [most, made.status["starting"]].max
    end
    assert_equal 1, most
    made.go_on
    made.wait_for_log(/event=prefork\.restarted/)
    eventually("the end of the old workers") { (made.workers & before).empty? }
    assert_equal 1, made.log.scan("event=prefork.restarted").size
    refute_match(/worker_died|restart_stopped/, made.log)
  end

  def test_a_second_restart_before_the_first_worker_is_ready_does_not_end_the_server
    made = loading(1)
    2.times do
      made.signal(:HUP)
      made.status # The signal before has had its effect.
    end
    made.wait_for_log(/event=worker\.ended/)
    made.go_on
    made.wait_for_log(/event=prefork\.restarted/)
    refute_match(/worker_died/, made.log)
    refute made.ended?
  end

  def test_a_killed_worker_that_loads_leaves_the_others
    made = loading(3)
    eventually("all workers") { made.workers.size == 3 }
    Process.kill(:KILL, made.workers.first)
    made.wait_for_log(/event=worker\.ended/)
    made.go_on
    made.wait_for_log(/event=prefork\.ready/)
  end

  def test_a_killed_worker_that_loads_alone_ends_the_server
    made = loading(1)
    eventually("a worker") { made.workers.size == 1 }
    Process.kill(:KILL, made.workers.first)
    assert_equal 1, made.wait
  end

  def test_a_new_version_that_does_not_load_leaves_the_old_workers
    made = command(*fixed(2))
    before = made.workers
    answers = load_on(made) do
      made.write_app("raise 'version two is broken'\n")
      made.signal(:HUP)
      made.wait_for_log(/event=prefork\.restart_stopped/)
    end
    assert_all_fine(answers)
    assert_match(/version two is broken/, made.log)
    eventually("the old workers alone") { made.workers.sort == before.sort }
  end

  def test_a_successor_takes_the_sockets_over_and_fails_no_request
    made = command(*fixed(2))
    first = made.pid
    answers = load_on(made) do |load|
      made.signal(:USR2)
      # The old process may end before its successor logs that.
      eventually("a successor") { made.log.match?(/event=prefork\.succeeded predecessor=#{first}/) }
      eventually("the end of the predecessor") { made.ended? }
      load.wait_for("an answer") { |answer| answer.code == 200 }
    end
    assert_all_fine(answers)
    made.succeed(made.log[/successor_started pid=(\d+)/, 1].to_i)
    assert_includes made.workers, made.get.body.to_i
  end

  def test_a_successor_that_cannot_begin_leaves_its_predecessor
    made = command(*fixed(1))
    made.write_app("raise 'broken'\n")
    made.signal(:USR2)
    made.wait_for_log(/event=prefork\.successor_failed/)
    assert_equal "200", made.get.code
    refute made.ended?
  end

  def test_a_restart_while_a_successor_loads_is_not_lost
    assert_renewed(:HUP)
  end

  def test_another_successor_while_one_loads_is_not_lost
    assert_renewed(:USR2)
  end

  def test_a_restart_of_a_process_that_its_successor_has_ended_is_the_successors
    made = command(*fixed(1), "--grace", "60", app: PreforkCommand::HOLDING)
    client = made.raw.request("GET", "/held")
    eventually("a busy worker") { made.status["busy"] == 1 }
    made.write_app(SampleApps.saying("the next"))
    made.signal(:USR2)
    made.wait_for_log(/event=prefork\.ending/)
    made.write_app(SampleApps.saying("the latest"))
    made.signal(:HUP)
    eventually("the latest version") { made.get.body == "the latest" }
    assert_equal 1, made.log.scan("event=prefork.restarting").size
    made.go_on
    assert_equal 200, client.response.status
    eventually("the end of the predecessor") { made.ended? }
    made.succeed(made.log[/successor_started pid=(\d+)/, 1].to_i)
  ensure
    client&.close
  end

  # As with --listen: the predecessor serves on. Its clients find it by the file.
  def test_a_successor_that_cannot_begin_leaves_the_unix_socket_of_its_predecessor
    @command = PreforkCommand.new
    path = File.join(@command.folder, "socket")
    @command.spawn(*fixed(1), "--unix", path, listen: [])
    @command.wait_for_log(/event=prefork\.ready/)
    @command.write_app("raise 'broken'\n")
    @command.signal(:USR2)
    @command.wait_for_log(/event=prefork\.successor_failed/)
    UNIXSocket.open(path) do |client|
      client.write("GET / HTTP/1.0\r\n\r\n")
      assert_match(%r{\AHTTP/1\.\d 200}, client.read)
    end
    @command.signal(:TERM)
    @command.wait
    refute_path_exists path
  end

  # The Ruby is away for a moment, as during an upgrade.
  def test_a_worker_that_cannot_be_started_leaves_the_others_and_is_tried_again
    @command = PreforkCommand.new
    ruby = File.join(@command.folder, "ruby")
    File.symlink(RbConfig.ruby, ruby)
    @command.start(*fixed(2), "--ruby", ruby)
    File.rename(ruby, "#{ruby}.away")
    Process.kill(:KILL, @command.workers.first)
    @command.wait_for_log(/event=prefork\.fork_failed/)
    assert_equal "200", @command.get.code
    File.rename("#{ruby}.away", ruby)
    eventually("two workers", within: 60) { @command.status["free"] == 2 }
  end

  def test_a_monitor_that_is_stopped_ends_its_successor_that_still_loads
    made = command(*fixed(1))
    made.write_app("sleep 60\n")
    made.signal(:USR2)
    successor = ProcessInfo.read(made.wait_for_log(/successor_started pid=\d+/)[/\d+/].to_i)
    made.signal(:TERM)
    assert_equal 0, made.wait
    eventually("the end of the successor") { !successor.alive? }
  end

  # The folder that the process is in is the link's target, and may be removed.
  def test_a_link_that_the_server_was_started_in_leads_to_the_next_release
    @command = PreforkCommand.new
    link = File.join(@command.folder, "current")
    release = lambda do |name|
      FileUtils.mkdir_p(File.join(@command.folder, name))
      File.write(File.join(@command.folder, name, "config.ru"), SampleApps.saying(name))
      FileUtils.ln_sf(name, "#{link}.new")
      File.rename("#{link}.new", link)
    end
    release.call("first")
    # As a shell's `cd`, which sets PWD.
    @command.spawn_by(["sh", "-c", 'cd "$0" && exec "$@"', link], *fixed(1), "--unix", "socket",
                      "--pid-file", "prefork.pid", in_folder: ".")
    @command.wait_for_log(/event=prefork\.ready/)
    @command.take_port
    release.call("second")
    FileUtils.rm_r(File.join(@command.folder, "first"))
    @command.signal(:HUP)
    @command.wait_for_log(/event=prefork\.restarted/)
    eventually("the second release") { @command.get.body == "second" }
    release.call("third")
    @command.signal(:USR2)
    eventually("the end of the predecessor") { @command.ended? }
    assert_equal "third", @command.get.body
    successor = @command.log[/successor_started pid=(\d+)/, 1].to_i
    assert_equal successor, File.read(File.join(link, "prefork.pid")).to_i
    @command.succeed(successor)
  end

  def test_a_server_with_absolute_paths_starts_from_a_folder_that_has_been_removed
    @command = PreforkCommand.new
    start = lambda do |**options|
      @command.spawn_by(["sh", "-c", 'cd "$0" && rmdir "$0" && exec "$@"',
                         Dir.mktmpdir("gone", @command.folder)], *fixed(1), **options)
    end
    start.call(in_folder: ".")
    assert_equal 2, @command.wait
    assert_match(/"\." is relative to a folder that has been removed/, @command.log)
    start.call
    @command.wait_for_log(/event=prefork\.ready/)
    assert_equal "200", @command.take_port.get.code
    @command.signal(:USR2)
    eventually("the end of the predecessor") { @command.ended? }
    assert_equal "200", @command.get.code
    @command.succeed(@command.log[/successor_started pid=(\d+)/, 1].to_i)
  end

  # The successor has loaded a former version when the signal comes.
  def assert_renewed(signal)
    made = command(*fixed(1))
    made.write_app("$stderr.puts 'it loads'\n#{PreforkCommand::LOADING}")
    made.signal(:USR2)
    successor = made.wait_for_log(/successor_started pid=\d+/)[/\d+/].to_i
    made.wait_for_log(/it loads/)
    made.write_app(SampleApps.saying("the latest"))
    made.signal(signal)
    made.status # The signal before has had its effect.
    made.go_on
    eventually("the end of the predecessor") { made.ended? }
    made.succeed(successor)
    eventually("the latest version") { made.get.body == "the latest" }
  end

  def loading(workers)
    @command = PreforkCommand.new(PreforkCommand::LOADING)
    @command.spawn(*fixed(workers))
    @command.wait_for_log(/event=prefork\.listening/)
    @command
  end

  # systemd and a container's runtime may signal all processes. The monitor reads that of its own
  # after the ends of its workers here.
  def test_a_stop_of_all_processes_during_the_start_is_no_failure
    %i[TERM INT QUIT].each do |name|
      made = loading(2)
      workers = eventually("the workers") { made.workers.size == 2 && made.workers }
      ProcessInfo.stop(made.pid)
      Process.kill(name, made.pid)
      Process.kill(:KILL, *workers)
      eventually("their end") { made.workers.empty? }
      Process.kill(:CONT, made.pid)
      assert_equal 0, made.wait, made.log
      refute_match(/event=prefork\.failed/, made.log)
      assert_empty made.stop
    end
  end

  def test_a_monitor_that_is_not_ready_starts_no_successor
    @command = PreforkCommand.new("sleep 60\n")
    @command.spawn(*fixed(1))
    @command.wait_for_log(/event=prefork\.listening/)
    @command.signal(:USR2)
    @command.wait_for_log(/event=prefork\.successor_refused/)
    refute_match(/successor_started/, @command.log)
  end

  # One of two workers dies while it loads, when the other is ready. One is enough, so it is not
  # replaced.
  def test_the_monitor_is_ready_though_a_worker_died_while_loading
    command("--start", "2", "--min-spare", "1", "--max-spare", "2", app: <<~APP)
      begin
        Dir.mkdir(File.join(__dir__, "first"))
        400.times do
          break if File.read(File.join(__dir__, "log")).include?("event=worker.ready")

          sleep(0.05)
        end
        raise "the first one is broken"
      rescue Errno::EEXIST
        run ->(_) { [200, {}, ["fine"]] }
      end
    APP
    assert_equal "fine", @command.get.body
  end

  # Only requests that a killed worker was serving fail.
  def test_killed_workers_fail_only_their_requests_in_work
    made = command(*fixed(4))
    kills = 0
    answers = load_on(made, "/?0.01", threads: 8) do |load|
      10.times do
        sleep 0.2
        made.workers.sample&.then { |pid| Process.kill(:KILL, pid) && (kills += 1) }
      rescue Errno::ESRCH
        nil # It was one of those before, and has just been reaped.
      end
      eventually("many answers", within: 60) do
        load.answers.count { |answer| answer.code == 200 } > 50
      end
    end
    bad = answers.reject { |answer| answer.code == 200 }
    assert_operator bad.size, :<=, kills * 8, "each kill may break the connections of one worker"
    eventually("four workers again") { made.status.values_at("free", "busy").sum == 4 }
  end

  def test_requests_in_work_are_answered_at_the_end
    made = command(*fixed(1), app: PreforkCommand::HOLDING)
    client = made.raw.request("GET", "/held")
    eventually("a busy worker") { made.status["busy"] == 1 }
    made.signal(:TERM)
    made.wait_for_log(/event=prefork\.ending/)
    made.go_on
    assert_equal 200, client.response.status
    assert_equal 0, made.wait
  ensure
    client&.close
  end

  def test_workers_end_with_a_monitor_that_is_killed
    made = command(*fixed(2), app: PreforkCommand::HOLDING)
    workers = made.workers.map { |pid| ProcessInfo.read(pid) }
    client = made.raw.request("GET", "/held")
    eventually("a busy worker") { made.status["busy"] == 1 }
    made.signal(:KILL)
    eventually("the end of the workers") { workers.none?(&:alive?) }
  ensure
    client&.close
  end

  def test_workers_end_with_a_killed_monitor_without_the_kernels_signal_too
    made = command(*fixed(2), app: <<~APP)
      require "fiddle"
      prctl = Fiddle::Function.new(Fiddle::Handle::DEFAULT["prctl"],
                                   [Fiddle::TYPE_INT, Fiddle::TYPE_LONG], Fiddle::TYPE_INT)
      prctl.call(1, 0) # PR_SET_PDEATHSIG
      run lambda { |_| [200, {}, [Process.pid.to_s]] }
    APP
    workers = made.workers.map { |pid| ProcessInfo.read(pid) }
    made.signal(:KILL)
    eventually("the end of the workers") { workers.none?(&:alive?) }
  end

  # As by `docker pause`, or by a host that suspends a machine. The pauses are longer than the
  # timeout.
  def test_a_pause_of_all_processes_ends_no_worker
    made = command(*fixed(3), "--timeout", "4")
    all = [made.pid, *made.workers]
    2.times do
      Process.kill(:STOP, *all)
      sleep 5
      Process.kill(:CONT, *all)
      assert_equal 3, made.status["free"]
    end
    refute_match(/event=prefork\.timeout/, made.log)
  end

  def test_a_worker_that_is_stuck_is_replaced
    made = command(*fixed(1), "--timeout", "1", "--grace", "1", app: PreforkCommand::HOLDING)
    stuck = made.workers.first
    client = made.raw.request("GET", "/held")
    made.wait_for_log(/event=prefork\.timeout pid=#{stuck} state=busy/)
    # That one may be late, too, on a machine that stalls.
    eventually("another worker", within: 60) { made.get.body.to_i != stuck }
  ensure
    client&.close
  end

  private

  # Workers may end meanwhile.
  def signal_all(name, monitor, workers)
    [monitor, *workers].each do |pid|
      Process.kill(name, pid)
    rescue Errno::ESRCH
      refute_equal monitor, pid
    end
  end
end
