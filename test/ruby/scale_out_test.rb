# frozen_string_literal: true

require_relative "test_helper"
require "open3"
require "tmpdir"

# doc/scale-out/deploy. test/integration/several_hosts_test.rb runs it with hosts.
class ScaleOutTest < Minitest::Test
  SCRIPT = File.expand_path("../../doc/scale-out/deploy", __dir__)

  # `ssh`: what the command does. Returns the commands that the hosts got, and the exit status.
  def deploy(ssh, *hosts)
    Dir.mktmpdir do |folder|
      { "ssh" => "echo \"$*\" >>#{folder}/told\n#{ssh}", "new-version" => "" }.each do |name, text|
        File.write("#{folder}/#{name}", "#!/bin/sh\n#{text}\n")
        File.chmod(0o755, "#{folder}/#{name}")
      end
      path = { "PATH" => "#{folder}:#{ENV.fetch('PATH')}" }
      _, status = Open3.capture2e(path, "/bin/sh", SCRIPT, *hosts)
      [File.readlines("#{folder}/told", chomp: true), status.exitstatus]
    end
  end

  def told(host, *orders)
    orders.map { |order| "root@#{host} passenger-config #{order}" }
  end

  def test_a_host_without_an_application_is_no_failure
    commands, status = deploy("", "a", "b")
    all = %w[a b].flat_map do |host|
      told(host, "drain --all --wait 60",
           "restart-app --all --ignore-app-not-running --wait 120", "undrain --all")
    end
    assert_equal all, commands
    assert_equal 0, status
  end

  def test_an_interrupted_deployment_leaves_no_host_drained
    commands, status = deploy("case $* in *restart-app*) kill -TERM $PPID ;; esac", "a", "b")
    assert_equal told("a", "undrain --all"), commands.drop(2)
    assert_equal 1, status
  end
end
