# frozen_string_literal: true

require "minitest"
require "tempfile"
require_relative "support/torture/nonce_clients"
require_relative "support/torture/storm"
require_relative "support/torture/verdict"

# The torture test's verdict finds each kind of fault. Time starts at 0 here; the request of each
# test is sent at 10 and ends at 11.
class TortureVerdictTest < Minitest::Test
  THREADS = 2

  def setup
    @runs = []
    @deaths = []
    @exchanges = []
  end

  def test_an_answer_with_the_requests_own_nonce_is_right
    ask("a", 200)
    run_in(100, "a")
    assert_empty problems
  end

  def test_an_answer_to_a_request_that_never_ran_is_wrong
    ask("a", 200)
    assert_match(/answered wrongly/, problems.join)
  end

  def test_the_failure_of_a_request_in_a_killed_instance_is_explained
    ask("a", 502)
    run_in(100, "a")
    kill_instance(100, 10.5)
    assert_empty problems
  end

  def test_a_kill_after_the_failure_explains_nothing
    ask("a", 502)
    run_in(100, "a")
    kill_instance(100, 15)
    assert_match(/for no reason/, problems.join)
  end

  def test_a_kill_before_the_run_explains_nothing
    ask("a", 502)
    run_in(100, "a", at: 10.8)
    kill_instance(100, 10.5)
    assert_match(/for no reason/, problems.join)
  end

  def test_a_refusal_is_not_explained_by_a_kill
    ask("a", 503)
    run_in(100, "a")
    kill_instance(100, 10.5)
    assert_match(/for no reason/, problems.join)
  end

  def test_each_run_needs_a_kill_of_its_own
    ask("a", 502, post: false)
    run_in(100, "a")
    run_in(101, "a")
    kill_instance(100, 10.5)
    assert_match(/for no reason/, problems.join)
  end

  def test_a_killed_instance_explains_as_many_failures_as_it_has_threads
    %w[a b c].each do |nonce|
      ask(nonce, 502)
      run_in(100, nonce)
    end
    kill_instance(100, 10.5)
    assert_equal 1, problems.size
  end

  def test_the_failure_of_a_request_that_never_ran_needs_a_killed_instance_with_a_free_thread
    %w[a b c].each { |nonce| ask(nonce, 502) }
    kill_instance(100, 10.5)
    assert_equal 1, problems.size
  end

  def test_a_cut_connection_that_no_killed_child_had_is_not_explained
    ask("a", :cut, port: 7)
    ask("b", :cut, port: 8)
    @deaths << Storm::Death.new(kind: :child, pid: 200, from: 10.4, at: 10.5, ports: [7])
    assert_equal 1, problems.size
  end

  def test_no_post_runs_twice
    ask("a", 200)
    run_in(100, "a")
    run_in(101, "a")
    assert_match(/ran 2 times/, problems.join)
  end

  def test_a_request_that_is_stuck_is_reported
    ask("a", :stuck)
    assert_match(/stuck/, problems.join)
  end

  private

  def ask(nonce, outcome, post: true, port: 1)
    @exchanges << NonceClients::Exchange.new(nonce: nonce, post: post, sent: 0, port: port,
                                             asked: 10.0, ended: 11.0, outcome: outcome)
  end

  def run_in(pid, nonce, at: 10.2)
    @runs << "#{nonce} #{pid} #{at}\n"
  end

  def kill_instance(pid, at)
    @deaths << Storm::Death.new(kind: :instance, pid: pid, from: at - 0.01, at: at, ports: [])
  end

  def problems
    Tempfile.create do |file|
      file.write(@runs.join)
      file.flush
      Verdict.new(@exchanges, @deaths, file.path, THREADS).problems
    end
  end
end
