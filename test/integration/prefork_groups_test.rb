# frozen_string_literal: true

require_relative "support/prefork_test_case"

# An application that signals its process group (`kill 0`, usual in scripts).
class PreforkGroupsTest < PreforkTestCase
  def test_a_worker_that_signals_its_process_group_ends_only_itself
    made = command(*fixed(2), app: <<~APP, pgroup: true)
      run lambda { |env|
        Process.kill(:KILL, 0) if env["REQUEST_METHOD"] == "POST"
        [200, {}, [Process.pid.to_s]]
      }
    APP
    before = made.workers
    client = made.raw.request("POST", "/", "Content-Length" => "0")
    made.wait_for_log(/event=prefork\.worker_died/)
    eventually("two workers again") { made.workers.size == 2 && made.workers != before }
    refute made.ended?
    assert_equal 1, (made.workers & before).size
  ensure
    client&.close
  end
end
