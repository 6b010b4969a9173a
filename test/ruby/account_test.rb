# frozen_string_literal: true

require_relative "test_helper"
require "etc"
require_relative "../../lib/passenger/spawn/account"

module PhusionPassenger
  class AccountTest < Minitest::Test
    def test_without_a_name_it_is_the_user_of_this_process
      own = Etc.getpwuid
      assert_equal own.shell, Account.new.shell
      assert_equal [own.dir, own.name, own.name, own.shell],
                   Account.new.environment.values_at("HOME", "USER", "LOGNAME", "SHELL")
    end

    def test_a_name_tells_users_of_one_id_apart
      other = Etc.getpwnam("nobody")
      assert_equal [other.dir, "nobody"],
                   Account.new("nobody").environment.values_at("HOME", "USER")
    end

    def test_a_user_without_an_account_has_the_id_as_its_name
      unknown = Account.new("no-such-user").environment
      assert_equal ["/", Process.euid.to_s, "/bin/sh"],
                   unknown.values_at("HOME", "USER", "SHELL")
    end
  end
end
