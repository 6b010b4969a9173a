# frozen_string_literal: true

require "json"
require "open3"

require_relative "support/command_runner"
require_relative "support/integration_test"
require_relative "support/made_users"

# `passenger-config restart-app --wait`, while the pool process dies.
class RestartWaitTest < IntegrationTest
  include CommandRunner

  OLD = "the old version"

  serve do |made|
    folder = SampleApps.written(SampleApps.saying(OLD))
    TestEnvironment.hand_over(folder, MadeUsers["shop"].name) if TestEnvironment.root?
    made.site("shop.test", folder, "PassengerMaxInstances 1\n")
  end

  def setup
    deploy(SampleApps.saying(OLD))
    assert_status 200, client.get("/")
    # So the version has another number than that of a new pool process.
    succeed(CONFIG, "restart-app", root("shop"), "--wait", "60")
    assert_equal OLD, client.get("/").body
  end

  def test_the_old_version_is_not_taken_for_the_new_one
    over_a_death { |line| assert_match(/serves its new version/, line) }
  end

  def test_an_owner_whose_order_is_refused_at_first_gets_the_new_version
    needs_root("applications of several users")
    over_a_death(MadeUsers["shop"].name) { |line| assert_match(/serves its new version/, line) }
  end

  def test_a_new_version_that_does_not_start_is_reported
    over_a_death(ends: "raise 'broken on purpose'", status: 1) do |line|
      assert_match(/did not start/, line)
    end
  end

  private

  # A restart during which the pool process dies. The next one takes the old version over, before
  # the command sees it. The new version ends its start with this code.
  def over_a_death(user = nil, ends: SampleApps.saying("new"), status: 0)
    gate = File.join(scratch, "gate")
    deploy("sleep 0.05 until File.exist?(#{gate.dump})\n#{ends}")
    begin_restart(user) do |output, waiting|
      eventually("the start") { app("shop")["state"] == "deploying" }
      Process.kill(:STOP, waiting.pid)
      kill_pool_process
      assert_equal OLD, client.get("/").body
      eventually("the instance that was taken over") do
        %w[serving deploying].include?(app("shop")["state"])
      end
      Process.kill(:CONT, waiting.pid)
      eventually("the order for the next pool process") { app("shop")["state"] == "deploying" }
      FileUtils.touch(gate)
      text = output.read
      assert_equal status, waiting.value.exitstatus, text
      yield text.lines[1]
      assert_equal status.zero? ? "new" : OLD, client.get("/").body
    end
  end

  def begin_restart(user)
    switch = user ? ["setpriv", "--reuid=#{user}", "--regid=nogroup", "--clear-groups"] : []
    words = ["restart-app", root("shop"), "--wait", "60"]
    Open3.popen2e(environment, *switch, program(CONFIG), *words) do |_, output, waiting|
      yield output, waiting
    ensure
      Process.kill(:KILL, waiting.pid) if waiting.alive?
    end
  end

  def deploy(text)
    File.write(File.join(root("shop"), "config.ru"), text)
  end
end
