# frozen_string_literal: true

require_relative "runs_python"
require_relative "preloader_test"

module PhusionPassenger
  # The tests of Ruby's preloaders, with one of Python.
  class PythonPreloaderTest < PreloaderTest
    prepend RunsPython

    SHARED_FILE = {
      "app.py" => <<~PYTHON
        import atexit, os, tempfile

        FOLDER = tempfile.TemporaryDirectory(dir=".")
        atexit.register(print, "at exit")

        def application(environ, start_response):
            start_response("200 OK", [])
            return [str(os.path.isdir(FOLDER.name)).lower().encode()]
      PYTHON
    }.freeze

    def test_process_warmup_is_called_once_before_the_first_instance
      skip "of Ruby"
    end

    def test_an_application_that_has_compacted_its_memory_is_forked_and_serves
      skip "of Ruby"
    end

    def test_a_preloader_that_gets_no_task_reports_it_and_forks_the_next_instance
      skip "of Ruby"
    end

    def test_a_preloader_that_gets_no_thread_reports_it_and_ends_with_the_instance
      skip "of Ruby"
    end

    # As gevent's, whose loop does not run in a preloader.
    PATCHED = <<~'PYTHON'
      import os, signal

      original = signal.signal
      signal.signal = lambda number, handler: number == signal.SIGCHLD or original(number, handler)
      os.waitpid = lambda pid, options: (0, 0)

      def application(environ, start_response):
          raise NotImplementedError()
    PYTHON

    def test_a_preloader_reaps_instances_whatever_the_application_has_put_in_place_of_signals
      ["", "del os.pidfd_open\n"].each do |more|
        in_folder("app.py" => PATCHED + more) do |root|
          preloader = loaded("preloader", "app.py", { app_root: root })
          instances = Array.new(2) { forked_from(preloader) }
          instances[0].control.close
          Process.kill("KILL", instances[1].pid)
          assert_equal(%w[0 9], instances.map { |one| in_time { one.wait_status.read } })
          instances.each { |one| eventually("the end") { !File.exist?("/proc/#{one.pid}") } }
        end
      end
    end

    FORK_SERVER = <<~'PYTHON'
      import multiprocessing

      multiprocessing.set_start_method("forkserver")

      def exit_code():
          process = multiprocessing.Process(target=print, args=("of a process",))
          process.start()
          process.join()
          return process.exitcode

      exit_code()

      def application(environ, start_response):
          start_response("200 OK", [])
          return [str(exit_code()).encode()]
    PYTHON

    def test_an_instance_starts_processes_though_the_import_has_started_a_fork_server
      in_folder("app.py" => FORK_SERVER) do |root|
        preloader = loaded("preloader", "app.py", { app_root: root })
        instance = forked_from(preloader)
        assert_equal "0", get(serve(instance), instance, "/")
        finish(preloader)
      end
    end

    WORKER = <<~'PYTHON'
      import asyncio

      LOOP = asyncio.new_event_loop()
      asyncio.set_event_loop(LOOP)
      SEEN = []

      async def work():
          SEEN.append("works")

      LOOP.create_task(work())

      async def application(scope, receive, send):
          if scope["type"] != "http":
              return
          text = "%s %s" % (" ".join(SEEN), asyncio.get_running_loop() is LOOP)
          await send({"type": "http.response.start", "status": 200, "headers": []})
          await send({"type": "http.response.body", "body": text.encode()})
    PYTHON

    def test_tasks_of_the_import_run_in_an_instance_that_imports_the_application_itself
      in_folder("app.py" => WORKER) do |root|
        instance = loaded("instance", "app.py", { app_root: root, app_type: "asgi" })
        assert_equal "works True", get(serve(instance), instance, "/")
      end
    end

    def test_an_instance_does_not_share_the_event_loop_of_the_import
      in_folder("app.py" => WORKER) do |root|
        preloader = loaded("preloader", "app.py", { app_root: root, app_type: "asgi" })
        instance = forked_from(preloader)
        assert_equal " False", get(serve(instance), instance, "/")
        finish(preloader)
        assert_includes output_of(preloader), 'what="event loop with 1 task"'
      end
    end

    def test_the_title_of_a_preloader_names_the_application
      preloader = loaded("preloader")
      assert_match(/\APassenger PythonPreloader: /, File.read("/proc/#{preloader.pid}/cmdline"))
    end

    def test_quit_writes_a_backtrace_and_the_preloader_continues
      preloader = loaded("preloader")
      Process.kill("QUIT", preloader.pid)
      @instance = preloader
      eventually("the backtrace") { (@seen = "#{@seen}#{read_some}").include?("preloader.py") }
      forked_from(preloader)
    end
  end
end
