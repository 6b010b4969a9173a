# frozen_string_literal: true

require_relative "runs_python"
require_relative "app_instance_test"

module PhusionPassenger
  # The tests of Ruby's instances, with an instance of Python. Those that need Ruby's own hooks are
  # replaced.
  class PythonInstanceTest < AppInstanceTest
    prepend RunsPython

    def test_quit_writes_backtraces_and_the_instance_continues
      group = serve(@instance)
      get(group, @instance, "/pid")
      Process.kill("QUIT", @instance.pid)
      eventually("the backtraces") { (@seen = "#{@seen}#{read_some}").include?("instance.py") }
      assert_includes @seen, "_read_control_socket"
      assert_equal @instance.pid.to_s, get(group, @instance, "/pid")
    end

    def test_a_message_that_is_no_request_is_logged_and_takes_no_place
      group = serve(@instance)
      2.times { group.sender.sendmsg("short") }
      assert_equal @instance.pid.to_s, get(group, @instance, "/pid")
      eventually("the line") do
        (@seen = "#{@seen}#{read_some}").include?("event=request.malformed")
      end
    end

    def test_the_title_of_an_instance_names_its_group
      group = serve(@instance)
      assert_equal "#{FIXTURES}\nPassenger PythonApp: /srv/probe (test)",
                   get(group, @instance, "/place").force_encoding(Encoding::UTF_8).strip
      assert_equal "PythonApp\n", File.read("/proc/#{@instance.pid}/comm")
    end

    def test_an_instance_stops_waiting_for_a_request_in_work_after_a_time_limit
      group = serve(@instance)
      child = request(group, @instance, "/hang", id: 1)
      assert(in_time { @instance.output.each_line.find { |line| line == "hangs\n" } })
      finish(@instance)
      assert_match(/event=instance\.gave_up_waiting .*requests=1\n.*stopping\n/m,
                   output_of(@instance))
      assert_equal [1, 1], group.claim(0)
      assert_equal :wait_readable, child.io.recv_nonblock(1, exception: false)
    end

    def test_a_failing_stopping_hook_is_logged_and_the_others_are_called
      instance = loaded("instance", "failing_hook.ru")
      serve(instance)
      finish(instance)
      failed = /event=hook.failed .*hook="stopping_worker_process" exception="BrokenPipeError"/
      assert_match(/^first\n.*#{failed}.*^stopping\n\z/m, output_of(instance))
    end
  end
end
