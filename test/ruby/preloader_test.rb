# frozen_string_literal: true

require_relative "process_test_case"

module PhusionPassenger
  class PreloaderTest < ProcessTestCase
    ENDINGS = [->(it) { it.control.write(FINISH) }, ->(it) { Process.kill("TERM", it.pid) },
               ->(it) { Process.kill("INT", it.pid) }].freeze

    # Answers whether a file of the import is there.
    SHARED_FILE = {
      "config.ru" => <<~RUBY
        require "tempfile"

        SHARED = Tempfile.new("shared", __dir__)
        at_exit { puts "at exit" }
        run ->(_env) { [200, {}, [File.exist?(SHARED.path).to_s]] }
      RUBY
    }.freeze

    def test_instances_serve_the_application_that_their_preloader_has_loaded
      preloader = loaded("preloader", "hello.ru")
      instances = Array.new(2) { forked_from(preloader) }
      assert_equal(%w[hello hello],
                   instances.map { |instance| get(serve(instance), instance, "/") })
      refute_equal(*instances.map(&:pid))
    end

    def test_hooks_of_forked_instances_learn_of_the_fork
      instance = forked_from(loaded("preloader"))
      serve(instance)
      finish(instance)
      assert_equal "starting forked=true\nsignals installed\nstopping\nat exit\n",
                   output_of(instance)
    end

    def test_the_output_of_an_instance_is_its_own
      preloader = loaded("preloader")
      serve(instance = forked_from(preloader))
      finish(instance)
      preloader.control.close
      assert_equal "", output_of(preloader)
      assert_includes output_of(instance), "at exit\n"
    end

    def test_the_end_of_a_preloader_takes_nothing_from_its_instances
      [*ENDINGS, ->(it) { it.control.close }].each do |ending|
        with_shared_file do |preloader, instance|
          group = serve(instance)
          ending.call(preloader)
          refute_includes output_of(preloader), "at exit"
          assert_equal "true", get(group, instance, "/")
          finish(instance)
          assert_includes output_of(instance), "at exit"
        end
      end
    end

    def test_process_warmup_is_called_once_before_the_first_instance
      preloader = loaded("preloader", "warms.ru")
      assert_equal "warmed\n", preloader.output.read_nonblock(1_000)
      instance = forked_from(preloader)
      assert_equal "hello", get(serve(instance), instance, "/")
      preloader.control.close
      assert_equal "", output_of(preloader)
    end

    def test_an_application_that_has_compacted_its_memory_is_forked_and_serves
      preloader = loaded("preloader", "compacts.ru")
      instances = Array.new(2) { forked_from(preloader) }
      assert_equal(%w[hello hello],
                   instances.map { |instance| get(serve(instance), instance, "/") })
    end

    def test_instances_of_a_preloader_draw_different_random_numbers
      preloader = loaded("preloader")
      numbers = Array.new(2) do
        forked_from(preloader).then { |instance| get(serve(instance), instance, "/random") }
      end
      refute_equal(*numbers)
    end

    def test_instances_continue_to_serve_when_their_preloader_ends
      preloader = loaded("preloader")
      instance = forked_from(preloader)
      preloader.control.close
      @agent.wait_for_end(preloader.pid)
      assert_equal instance.pid.to_s, get(serve(instance), instance, "/pid")
    end

    def test_finish_and_signals_end_a_preloader
      ENDINGS.each do |ending|
        preloader = loaded("preloader")
        ending.call(preloader)
        assert_equal "at exit\n", output_of(preloader)
      end
    end

    def test_a_preloader_reports_the_wait_status_of_its_instances
      preloader = loaded("preloader")
      killed, finished = Array.new(2) { forked_from(preloader) }
      Process.kill("KILL", killed.pid)
      finished.control.close
      assert_equal %w[9 0], [killed,
                             finished].map { |instance| in_time { instance.wait_status.read } }
    end

    def test_an_instance_that_outlives_its_preloader_has_no_wait_status
      preloader = loaded("preloader")
      instance = forked_from(preloader)
      preloader.control.close
      assert_equal "", in_time { instance.wait_status.read }
    end

    def test_a_preloader_leaves_no_zombies
      preloader = loaded("preloader")
      instance = forked_from(preloader)
      instance.control.close
      eventually("the reaping") { !File.exist?("/proc/#{instance.pid}") }
    end

    def test_an_instance_holds_no_descriptor_of_its_preloader
      preloader = loaded("preloader")
      first = forked_from(preloader)
      second = forked_from(preloader)
      descriptors = [first, second].map do |instance|
        get(serve(instance), instance, "/descriptors").lines.grep(/socket|pipe/)
      end
      assert_equal descriptors[0].size, descriptors[1].size
      assert_empty descriptors[0].grep(/socket/) & descriptors[1].grep(/socket/)
    end

    def test_a_preloader_that_gets_no_task_reports_it_and_forks_the_next_instance
      preloader, = preloader_without_task("fork")
      assert_empty File.read("/proc/#{preloader.pid}/task/#{preloader.pid}/children")
      instance = forked_from(preloader)
      assert_equal "hello", get(serve(instance), instance, "/")
    end

    def test_a_preloader_that_gets_no_thread_reports_it_and_ends_with_the_instance
      preloader, instance = preloader_without_task("waiter")
      assert_nil in_time { preloader.read }
      in_time { instance.read while instance.read }
    end

    def test_the_title_of_a_preloader_names_the_application
      preloader = loaded("preloader")
      assert_includes File.read("/proc/#{preloader.pid}/cmdline"),
                      "Passenger AppPreloader: #{FIXTURES} (test)"
    end

    def test_quit_writes_a_backtrace_and_the_preloader_continues
      preloader = loaded("preloader")
      Process.kill("QUIT", preloader.pid)
      @instance = preloader
      eventually("the backtrace") { (@seen = "#{@seen}#{read_some}").include?("preloader.rb") }
      forked_from(preloader)
    end

    private

    # A preloader, and the instance that it could not begin.
    def preloader_without_task(task)
      preloader = loaded("preloader", "refuses.ru",
                         environment: { "PASSENGER_TEST_REFUSES" => task })
      answer, instance = @agent.fork_from(preloader)
      assert_equal [52, "instance forked"], [answer&.type, answer&.fields&.first]
      assert_equal "", in_time { instance.wait_status.read }
      [preloader, instance]
    end

    # A preloader and its instance.
    def with_shared_file
      files = self.class::SHARED_FILE
      in_folder(files) do |root|
        preloader = loaded("preloader", files.keys.first, { app_root: root })
        yield preloader, forked_from(preloader)
      end
    end
  end
end
