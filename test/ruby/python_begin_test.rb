# frozen_string_literal: true

require_relative "process_test_case"
require_relative "runs_python"

module PhusionPassenger
  # The begin of a Python instance that can make no thread.
  class PythonBeginTest < ProcessTestCase
    prepend RunsPython

    # The limit does not hold for root. The application's thread is no daemon.
    APPLICATION = <<~'PYTHON'
      import os, resource, threading, time

      async def application(scope, receive, send):
          raise NotImplementedError()

      def wsgi(environ, start_response):
          start_response("200 OK", [])
          return []

      threading.Thread(target=time.sleep, args=(3600,)).start()
      resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
      if not os.getuid():
          os.setuid(65534)
    PYTHON

    def test_an_instance_that_can_make_no_thread_does_not_start
      { "wsgi" => "wsgi", "asgi" => "application" }.each do |type, callable|
        in_folder("app.py" => APPLICATION) do |root|
          File.chmod(0o755, root)
          instance = loaded("instance", "app.py",
                            { app_root: root, app_type: type, app_callable: callable })
          assert_fails instance
          @agent.wait_for_end(instance.pid)
        end
      end
    end

    private

    def assert_fails(instance)
      group = closing(Peers::Group.new)
      instance.control.write(55, *Peers.serve_fields(threads: 2),
                             descriptors: [group.receiver, group.claims, group.withdrawals])
      failed = in_time { instance.read }
      assert_equal [52, "starting threads", "RuntimeError", "can't start new thread"],
                   [failed.type, *failed.fields.first(3)]
      assert_nil in_time { instance.read }
      assert_includes output_of(instance), "event=instance.start_failed"
    end
  end
end
