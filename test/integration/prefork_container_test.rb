# frozen_string_literal: true

require_relative "support/prefork_test_case"

# passenger-prefork as the first process of a container.
class PreforkContainerTest < PreforkTestCase
  def setup
    skip "needs root: a PID namespace" unless TestEnvironment.root?
  end

  # unshare(1) ends with the server, and signals nothing to it.
  def teardown
    first&.then { |pid| Process.kill(:TERM, pid) } if @command
    super
  end

  def test_the_first_process_of_a_container_starts_no_successor
    made = contained
    Process.kill(:USR2, first)
    made.wait_for_log(/event=prefork\.successor_refused .*container/)
    refute_match(/successor_started/, made.log)
    assert_equal "200", made.get.code
  end

  def test_the_first_process_of_a_container_reaps_what_the_application_leaves_behind
    made = contained(<<~APP)
      run lambda { |_|
        system("echo left >left &", chdir: __dir__)
        [200, {}, [Process.pid.to_s]]
      }
    APP
    assert_equal "200", made.get.code
    left = File.join(made.folder, "left")
    eventually("the left process") { File.exist?(left) && File.read(left) == "left\n" }
    eventually("its reaping") { ProcessInfo.all.count { |process| process.ppid == first } == 2 }
    refute_match(/event=worker\.ended/, made.log)
  end

  # The monitor tells how a worker has ended, though it reaps others, too.
  def test_the_first_process_of_a_container_knows_how_its_workers_end
    made = contained
    killed, told = ProcessInfo.all.select { |process| process.ppid == first }.map(&:pid)
    Process.kill(:KILL, killed)
    made.wait_for_log(/event=worker\.ended pid=\d+ killed by signal 9/)
    Process.kill(:HUP, first)
    made.wait_for_log(/event=prefork\.restarted/)
    eventually("the end of a worker that was told to end") { !ProcessInfo.read(told)&.alive? }
    made.wait_for_log(/event=worker\.ended pid=\d+ exited with status 0/)
    refute_match(/unknown way/, made.log)
  end

  private

  def contained(app = PreforkCommand::HELLO)
    @command = PreforkCommand.new(app)
    @command.spawn_by(%w[unshare --pid --fork --mount-proc --kill-child], *fixed(2))
    @command.wait_for_log(/event=prefork\.ready/)
    @command.take_port
  end

  # The server; nil: it has ended.
  def first
    @command.workers.first
  end
end
