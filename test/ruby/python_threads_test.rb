# frozen_string_literal: true

require_relative "process_test_case"
require_relative "runs_python"

module PhusionPassenger
  # The threads in which WSGI applications are called.
  class PythonThreadsTest < ProcessTestCase
    prepend RunsPython

    # Each of these needs the thread of the import.
    APPLICATION = <<~'PYTHON'
      import asyncio, signal, sqlite3, threading, warnings

      warnings.simplefilter("ignore")
      DATABASE = sqlite3.connect(":memory:")

      async def fetch():
          return "fetched"

      PAGES = {
          "/thread": lambda: threading.current_thread().name,
          "/database": lambda: str(DATABASE.execute("SELECT 7").fetchone()[0]),
          "/loop": lambda: asyncio.get_event_loop().run_until_complete(fetch()),
          "/signal": lambda: str(signal.signal(signal.SIGALRM, signal.SIG_IGN).name),
      }

      def application(environ, start_response):
          start_response("200 OK", [])
          return [PAGES[environ["PATH_INFO"]]().encode()]
    PYTHON

    def test_a_single_thread_is_the_one_that_has_imported_the_application
      in_folder("app.py" => APPLICATION) do |root|
        instance = loaded("instance", "app.py", { app_root: root })
        preloader = loaded("preloader", "app.py", { app_root: root })
        [instance, forked_from(preloader)].each do |one|
          group = serve(one)
          assert_equal %w[MainThread 7 fetched SIG_DFL],
                       %w[/thread /database /loop /signal].map { |path| get(group, one, path) }
          Process.kill("TERM", one.pid)
          assert_equal "", output_of(one)
        end
      end
    end

    def test_several_threads_are_none_of_them
      in_folder("app.py" => APPLICATION) do |root|
        instance = loaded("instance", "app.py", { app_root: root, thread_count: 2 })
        group = serve(instance, threads: 2)
        assert_match(/\APassenger handler [01]\z/, get(group, instance, "/thread"))
      end
    end
  end
end
