# frozen_string_literal: true

require_relative "test_helper"
require_relative "agent_peer"

module PhusionPassenger
  # The spawn server with real processes.
  class SpawnServerTest < TestCase
    def setup
      super
      @agent = closing(Peers::Agent.new)
    end

    def test_it_introduces_itself
      assert_equal 32, @agent.hello.type
      assert_equal ["1", RUBY_VERSION], @agent.hello.fields.values_at(0, 2)
      assert @agent.alive?(@agent.hello.fields[1].to_i)
    end

    def test_an_instance_that_loads_its_application_itself_serves_requests
      answer, instance = @agent.start("instance")
      assert_equal 34, answer.type
      assert_equal [48, [instance.pid.to_s]], instance.read.then { |frame| [frame.type, frame.fields] }
      load_app(instance, "hello.ru")
      assert_equal 51, instance.read_until(51).last&.type, -> { instance.output.read }
      assert_serves(instance, "hello")
    end

    def test_an_instance_forked_from_a_preloader_serves_requests
      preloader = started_preloader("hello.ru")
      answer, instance = @agent.fork_from(preloader)
      assert_equal 54, answer.type
      assert_equal instance.pid.to_s, instance.read.fields[0]
      assert_serves(instance, "hello")
    end

    def test_a_ruby_that_is_not_there_fails_the_step_that_starts_it
      answer, = @agent.start("instance", ruby: "/nowhere/ruby")
      assert_equal [35, "Ruby started"], [answer.type, answer.fields[0]]
      assert_includes answer.fields[1], "/nowhere/ruby"
    end

    private

    def started_preloader(startup_file)
      answer, preloader = @agent.start("preloader")
      assert_equal 34, answer.type
      assert_equal 48, preloader.read.type
      load_app(preloader, startup_file)
      assert_equal 51, preloader.read_until(51).last&.type
      preloader
    end

    def load_app(process, startup_file, **more)
      options = { app_root: FIXTURES, app_group_name: "#{FIXTURES} (test)", environment: "test",
                  startup_file: startup_file, **more }
      process.control.write(49, *options.flatten)
    end

    def assert_serves(instance, body)
      group = closing(Peers::Group.new)
      instance.control.write(55, 0, 1, "the group", descriptors: [group.receiver, group.claims, group.marks])
      ready = instance.read
      assert_equal 56, ready&.type, -> { instance.output.read }
      ours, theirs = seqpacket_pair
      group.send(channel: 9, ticket: 1)
      assert_equal [57, ["9"]], instance.read.then { |frame| [frame.type, frame.fields] }
      instance.control.write(58, 9, descriptors: [theirs])
      assert_equal body, Peers::Child.new(ours).answer[2]
    end
  end
end
