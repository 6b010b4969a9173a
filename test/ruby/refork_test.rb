# frozen_string_literal: true

require_relative "process_test_case"

module PhusionPassenger
  # Preloaders that an instance forks.
  class ReforkTest < ProcessTestCase
    WARM = [80, []].freeze

    def setup
      super
      @instance = forked_from(loaded("preloader"))
    end

    def test_an_instance_reports_each_time_it_has_answered_the_number
      group = serve(@instance, refork_after: 2)
      told = 4.times.map do |index|
        get(group, @instance, "/pid") && (index.odd? ? next_frame : :nothing)
      end
      assert_equal [:nothing, WARM, :nothing, WARM], told
    end

    def test_instances_of_the_new_preloader_have_the_memory_of_the_first_instance
      group = serve(@instance)
      get(group, @instance, "/count")
      heir = forked_from(reforked(@instance))
      assert_equal "2", get(serve(heir), heir, "/count")
    end

    def test_an_instance_of_the_new_preloader_can_become_a_preloader_too
      3.times do |index|
        group = serve(@instance)
        assert_equal (index + 1).to_s, get(group, @instance, "/count")
        @instance = forked_from(reforked(@instance))
      end
    end

    def test_the_instance_continues_to_serve
      group = serve(@instance, threads: 2)
      get(group, @instance, "/pid")
      reforked(@instance)
      assert_equal @instance.pid.to_s, get(group, @instance, "/pid")
    end

    def test_the_preloader_is_the_instances_child_and_outlives_it
      serve(@instance)
      preloader = reforked(@instance)
      assert_equal @instance.pid, File.read("/proc/#{preloader.pid}/stat")[/.*\) \S (\d+)/m, 1].to_i
      finish(@instance)
      @agent.wait_for_end(@instance.pid)
      heir = forked_from(preloader)
      assert_equal heir.pid.to_s, get(serve(heir), heir, "/pid")
    end

    def test_the_preloader_has_no_descriptor_of_the_instance
      group = serve(@instance)
      get(group, @instance, "/pid")
      preloader = reforked(@instance)
      held = held_by(preloader)
      # The instance may still hold the preloader's ends, which it had received for the preloader.
      eventually("nothing in common") do
        (held & held_by(@instance).grep(/socket|pipe|memfd/)).empty?
      end
      assert_equal 1, held.grep(/socket/).size
    end

    def test_connections_that_the_application_has_taken_over_stay_the_instances
      group = serve(@instance)
      request(group, @instance, "/hijack", id: 1)
      eventually("the hijacking") do
        group.claim(0) == [0, 0] && held_by(@instance).grep(/socket/).size == 4
      end
      assert_no_socket get(group, @instance, "/fork")
      assert_equal 1, held_by(reforked(@instance)).grep(/socket/).size
    end

    def test_instances_of_the_new_preloader_call_the_hooks_of_a_forked_instance
      serve(@instance)
      preloader = reforked(@instance)
      heir = forked_from(preloader)
      serve(heir)
      finish(heir)
      assert_equal "starting forked=true\nsignals installed\nstopping\nat exit\n", output_of(heir)
      preloader.control.close
      assert_equal "", output_of(preloader)
    end

    def test_a_request_in_work_is_answered_first
      group = serve(@instance)
      child = request(group, @instance, "/input", id: 1, flags: 1)
      eventually("the claim") { group.claim(0) == [1, 1] }
      preloader = @agent.refork_from(@instance)
      assert_nil preloader.control.io.wait_readable(0.2)
      child.send_body(1, "late", last: true)
      assert_equal "late", in_time { child.answer }[2]
      assert_equal 48, preloader.read.type
    end

    def test_an_instance_that_finishes_forks_no_preloader
      group = serve(@instance)
      child = request(group, @instance, "/input", id: 1, flags: 1)
      eventually("the claim") { group.claim(0) == [1, 1] }
      preloader = @agent.refork_from(@instance)
      finish(@instance)
      assert_nil preloader.read
      child.send_body(1, "late", last: true)
      assert_equal "late", in_time { child.answer }[2]
      assert_includes output_of(@instance), "event=instance.refork_failed"
    end

    def test_a_signal_ends_the_new_preloader
      serve(@instance)
      preloader = reforked(@instance)
      Process.kill("TERM", preloader.pid)
      assert_equal "", output_of(preloader)
      eventually("the reaping") { !File.exist?("/proc/#{preloader.pid}") }
      assert_includes File.read("/proc/#{@instance.pid}/cmdline"), "RubyApp"
    end

    # At PassengerTasksMax. Ruby 3.3 hangs once it could not make a thread.
    def test_an_instance_that_gets_no_task_forks_no_preloader_and_continues_to_serve
      group = serve(@instance)
      get(group, @instance, "/no_tasks")
      preloader = @agent.refork_from(@instance)
      assert_nil preloader.read
      assert_equal @instance.pid.to_s, get(group, @instance, "/pid")
      assert_match(/event=instance\.refork_failed/, read_some)
    end

    private

    # The agent asks only those that count their requests.
    def serve(instance, refork_after: 1000, **fields)
      super
    end

    def next_frame
      @instance.read.then { |frame| [frame&.type, frame&.fields] }
    end

    # Reads up to LOADED.
    def reforked(instance)
      preloader = @agent.refork_from(instance)
      hello = preloader.read
      assert_equal 48, hello&.type, -> { read_some }
      preloader.pid = hello.fields[0].to_i
      assert_equal 51, preloader.read&.type, -> { output_of(preloader) }
      assert_includes File.read("/proc/#{preloader.pid}/cmdline"), "AppPreloader"
      preloader
    end

    def held_by(process)
      descriptors_of(process).values
    end
  end
end
