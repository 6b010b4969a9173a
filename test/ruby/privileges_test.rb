# frozen_string_literal: true

require_relative "test_helper"
require "open3"
require "rbconfig"

module PhusionPassenger
  # Root without some of its capabilities. spawn_server_test.rb tests the users of processes.
  class PrivilegesTest < Minitest::Test
    LIBRARY = File.expand_path("../../lib/passenger", __dir__)

    def setup
      unless Process.euid.zero? && system("setpriv --version", out: File::NULL, err: File::NULL)
        skip "needs root and setpriv"
      end
    end

    def test_a_user_change_that_fails_is_refused
      assert_match(/\Arefused: cannot become user nobody: .*Operation not permitted/,
                   drop_without("setuid"))
    end

    def test_a_group_change_that_fails_is_refused
      assert_match(/\Arefused: cannot become user nobody: .*Operation not permitted/,
                   drop_without("setgid"))
    end

    def test_with_all_capabilities_the_change_succeeds
      assert_equal "dropped\n", drop_without("sys_boot")
    end

    def test_a_change_that_did_not_last_is_refused
      still_root = "def (Process::UID).change_privilege(*) = nil"
      can_return = "def (Process::Sys).setuid(*) = 0"
      other_groups = "class << Process; alias was initgroups; def initgroups(*all) = " \
                     "was(*all).tap { self.groups = [0] }; end"
      [still_root, can_return, other_groups].each do |trick|
        assert_equal "refused: the change to user nobody did not last\n",
                     drop_without("sys_boot", trick), trick
      end
    end

    private

    # Returns the output of a process that tries to become nobody, without one of root's
    # capabilities. The process runs the code `trick` first.
    def drop_without(capability, trick = "")
      script = <<~RUBY
        require "#{LIBRARY}/spawn/privileges"
        #{trick}
        begin
          PhusionPassenger::Privileges.new("nobody", "").drop
          puts "dropped"
        rescue PhusionPassenger::Privileges::Refused => e
          puts "refused: \#{e.message}"
        end
      RUBY
      Open3.capture2("setpriv", "--bounding-set=-#{capability}", RbConfig.ruby, "-e", script).first
    end
  end
end
