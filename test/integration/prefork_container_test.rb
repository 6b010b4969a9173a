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
