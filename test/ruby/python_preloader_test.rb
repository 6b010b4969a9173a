# frozen_string_literal: true

require_relative "runs_python"
require_relative "preloader_test"

module PhusionPassenger
  # The tests of Ruby's preloaders, with one of Python.
  class PythonPreloaderTest < PreloaderTest
    prepend RunsPython

    def test_process_warmup_is_called_once_before_the_first_instance
      skip "of Ruby"
    end

    def test_an_application_that_has_compacted_its_memory_is_forked_and_serves
      skip "of Ruby"
    end

    def test_a_preloader_that_gets_no_task_reports_it_and_forks_the_next_instance
      skip "of Ruby"
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
