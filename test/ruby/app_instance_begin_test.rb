# frozen_string_literal: true

require_relative "process_test_case"

module PhusionPassenger
  # The order of events when an instance begins to serve.
  class AppInstanceBeginTest < ProcessTestCase
    def test_an_instance_reports_that_it_is_ready_before_it_can_take_a_request
      instance = loaded("instance", "shows_ready.ru")
      group = closing(Peers::Group.new)
      group.send(channel: 5, ticket: 1)
      serve(instance, group: group)
      assert_equal [57, ["5"]], instance.read.then { |frame| [frame.type, frame.fields] }
      instance.control.close
      assert_includes output_of(instance), "handlers at READY: 1\n"
    end

    def test_a_hook_of_a_handler_thread_that_raises_fails_the_start
      in_folder("config.ru" => <<~RUBY) do |root|
        PhusionPassenger.on_event(:starting_request_handler_thread) { raise "no Redis" }
        run ->(_env) { [200, {}, []] }
      RUBY
        assert_fails_to_begin loaded("instance", "config.ru", { app_root: root }), "no Redis",
                              "hooks"
      end
    end

    def test_a_hook_that_ends_its_thread_fails_the_start
      in_folder("config.ru" => <<~RUBY) do |root|
        PhusionPassenger.on_event(:starting_request_handler_thread) { Thread.exit }
        run ->(_env) { [200, {}, []] }
      RUBY
        assert_fails_to_begin loaded("instance", "config.ru", { app_root: root }),
                              "ended its thread", "hooks"
      end
    end

    # The limit does not hold for root.
    def test_a_thread_that_cannot_be_made_fails_the_start
      in_folder("config.ru" => <<~RUBY) do |root|
        PhusionPassenger.on_event(:after_installing_signal_handlers) do
          Process::UID.change_privilege(65_534) if Process.uid.zero?
          Process.setrlimit(Process::RLIMIT_NPROC, 1)
        end
        run ->(_env) { [200, {}, []] }
      RUBY
        instance = loaded("instance", "config.ru", { app_root: root })
        answer = answer_to_serve(instance)
        assert_equal [52, "starting threads", "ThreadError"], [answer.type, *answer.fields.first(2)]
        assert_nil in_time { instance.read }
      end
    end

    def test_a_thread_for_signs_of_life_that_cannot_be_made_fails_the_start
      in_folder("config.ru" => <<~RUBY) do |root|
        PhusionPassenger.on_event(:starting_worker_process) do
          PhusionPassenger::Heartbeat.prepend(Module.new do
            def start(*) = raise(ThreadError, "no task for it")
          end)
        end
        run ->(_env) { [200, {}, []] }
      RUBY
        assert_fails_to_begin loaded("instance", "config.ru", { app_root: root }),
                              "no task for it", "threads"
      end
    end

    def test_a_thread_that_ends_the_main_one_lets_requests_in_work_finish
      in_folder("config.ru" => <<~RUBY) do |root|
        Thread.abort_on_exception = true
        PhusionPassenger.on_event(:stopping_worker_process) { puts "stopping" }
        run(lambda do |_env|
          Thread.new { raise "a thread of the application" }.join rescue nil
          sleep 0.01 until Thread.main.backtrace.join.include?("finish")
          [200, {}, ["whole"]]
        end)
      RUBY
        instance = loaded("instance", "config.ru", { app_root: root })
        child = request(serve(instance), instance, "/", id: 1)
        assert_equal "whole", in_time { child.answer }[2]
        assert_match(/event=instance\.thread_failed .*thread="main".*^stopping$/m,
                     output_of(instance))
      end
    end

    private

    def assert_fails_to_begin(instance, reason, step)
      answer = answer_to_serve(instance)
      assert_equal [52, "starting #{step}"], [answer.type, answer.fields[0]]
      assert_includes output_of(instance), reason
    end

    def answer_to_serve(instance)
      group = closing(Peers::Group.new)
      instance.control.write(55, *Peers.serve_fields,
                             descriptors: [group.receiver, group.claims, group.withdrawals])
      instance.read
    end
  end
end
