# frozen_string_literal: true

require_relative "process_test_case"

module PhusionPassenger
  # Connections of Sequel and Mongoid, for which the application has stand-ins, when processes fork.
  class DatabaseForksTest < ProcessTestCase
    def setup
      super
      @preloader = loaded("preloader", "databases.ru")
      @instance = forked_from(@preloader)
      @group = serve(@instance, refork_after: 1000)
    end

    def test_a_preloader_disconnects_and_an_instance_connects_mongoid_again
      assert_equal "sequel disconnect #{@preloader.pid}, mongoid close #{@preloader.pid}, " \
                   "mongoid reconnect #{@instance.pid}", get(@group, @instance, "/")
    end

    def test_a_database_that_refuses_is_logged
      assert_match(/event=preloader.disconnect_failed .*the first refuses/,
                   @preloader.output.read_nonblock(100_000))
    end

    # The fork would end the session of the instance.
    def test_an_instance_disconnects_sequel_before_it_forks_a_preloader
      assert @agent.refork_from(@instance).read
      assert_includes get(@group, @instance, "/"), "sequel disconnect #{@instance.pid}"
    end
  end
end
