# frozen_string_literal: true

require_relative "runs_python"
require_relative "python_body_test"
require_relative "python_instance_test"
require_relative "python_pause_test"
require_relative "python_handover_test"
require_relative "python_own_queue_test"

module PhusionPassenger
  # Runs the tests of Python's instances with an ASGI application.
  module RunsAsgi
    private

    def load(role, startup_file, more_options = {}, **start)
      startup_file = "probe_asgi.ru" if %w[probe.ru hello.ru].include?(startup_file)
      super(role, startup_file, { app_type: "asgi" }.merge(more_options), **start)
    end

    # The event loop has a pair of them.
    def assert_no_socket(found)
      assert_operator found.scan(/^socket:/).size, :<=, 2
    end
  end

  class AsgiInstanceTest < PythonInstanceTest
    prepend RunsAsgi

    def test_context_variables_of_one_request_do_not_reach_the_next_one
      group = serve(@instance)
      assert_equal(%w[nobody] * 3, Array.new(3) { get(group, @instance, "/user") })
    end

    def test_a_fork_in_a_worker_thread_ends_with_its_work
      group = serve(@instance)
      child = Integer(get(group, @instance, "/fork_in_a_thread"))
      @agent.wait_for_end(child)
      assert_equal @instance.pid.to_s, get(group, @instance, "/pid")
    end
  end

  class AsgiBodyTest < PythonBodyTest
    prepend RunsAsgi
  end

  class AsgiPauseTest < PythonPauseTest
    prepend RunsAsgi
  end

  class AsgiHandoverTest < PythonHandoverTest
    prepend RunsAsgi
  end

  class AsgiOwnQueueTest < PythonOwnQueueTest
    prepend RunsAsgi
  end
end
