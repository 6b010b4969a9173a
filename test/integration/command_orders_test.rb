# frozen_string_literal: true

require_relative "support/command_runner"
require_relative "support/integration_test"
require_relative "support/made_users"

# What passenger-config orders, and who may order it.
class CommandOrdersTest < IntegrationTest
  include CommandRunner

  serve do |made|
    %w[blog shop].each do |name|
      folder = SampleApps.written(SampleApps.saying("version 1"))
      TestEnvironment.hand_over(folder, MadeUsers[name].name) if TestEnvironment.root?
      made.site("#{name}.test", folder)
    end
    made.site("abrupt.test", SampleApps.written(SampleApps.saying("version 1")),
              "PassengerRollingRestarts Off\nPassengerMaxInstances 1\n")
  end

  # An instance that another test's restart has replaced may still be there.
  def setup
    %w[blog shop].each { |name| assert_status 200, client("#{name}.test").get("/") }
    eventually("one instance of both serves") do
      %w[blog shop].all? do |name|
        app(name)["state"] == "serving" && app(name)["instances"].size == 1
      end
    end
  end

  def test_a_restart_brings_the_new_code_of_the_named_application_only
    other = pid("shop")
    [["restart-app", root("blog")],
     ["restart-app", "--name", app("blog")["name"], "--rolling-restart"],
     ["restart-app", "--all"]].each_with_index do |words, index|
      deploy("blog", "version #{index + 2}")
      assert_includes succeed(CONFIG, *words), "Restarting #{app('blog')['name']}\n"
      eventually("the new code") { client("blog.test").get("/").body == "version #{index + 2}" }
      assert_equal other, pid("shop") if index < 2
    end
  end

  def test_a_restart_can_be_waited_for
    deploy("blog", "waited for")
    text = succeed(CONFIG, "restart-app", root("blog"), "--wait", "60")
    assert_match(/ serves its new version after /, text)
    assert_equal "waited for", client("blog.test").get("/").body
  end

  # With a limit of one, the new instance starts once the old one has ended.
  def test_a_restart_that_does_not_roll_is_waited_for_until_the_new_version_serves
    deploy("abrupt", "slow to end")
    File.write(File.join(root("abrupt"), "config.ru"), "at_exit { sleep 2 }\n", mode: "a")
    assert_status 200, client("abrupt.test").get("/")
    succeed(CONFIG, "restart-app", root("abrupt"), "--wait", "60")
    assert_equal "slow to end", client("abrupt.test").get("/").body
    old = pid("abrupt")
    deploy("abrupt", "quick to end")
    assert_fails 3, /\(the old instance #{old} has not ended\)/,
                 CONFIG, "restart-app", root("abrupt"), "--wait", "0"
    text = succeed(CONFIG, "restart-app", root("abrupt"), "--wait", "60")
    assert_match(/ serves its new version after /, text)
    assert_equal %w[serving], app("abrupt")["instances"].map { |instance| instance["state"] }
    assert_equal "quick to end", client("abrupt.test").get("/").body
  end

  def test_a_version_that_does_not_start_fails_the_restart_and_its_report_can_be_printed
    number = failed_deploy("shop")
    assert_includes succeed(CONFIG, "report", number), "broken on purpose"
    assert_includes succeed(STATUS), "(the new version failed to start; the old one serves)"
    assert_status 200, client("shop.test").get("/")
  ensure
    succeed(CONFIG, "restart-app", root("shop"), "--wait", "60")
  end

  def test_a_time_that_is_over_is_told_by_the_exit_status
    File.write(File.join(root("blog"), "config.ru"), "sleep 3\n#{SampleApps.saying('late')}")
    assert_fails 3, /1 of 1 application not started yet/,
                 CONFIG, "restart-app", root("blog"), "--wait", "0"
    eventually("the new code") { client("blog.test").get("/").body == "late" }
  end

  def test_an_application_that_does_not_run_is_named
    assert_fails 1, /path begins with .*missing.*Running are:/m, CONFIG, "restart-app",
                 "/missing"
    succeed(CONFIG, "restart-app", "/missing", "--ignore-app-not-running")
    assert_fails 1, /no application has the name x/, CONFIG, "drain", "--name", "x"
  end

  def test_a_detached_instance_is_replaced
    old = pid("blog")
    assert_equal "Process #{old} detached.\n", succeed(CONFIG, "detach-process", old.to_s)
    eventually("another instance") do
      assert_status 200, client("blog.test").get("/")
      app("blog")["instances"].none? { |instance| instance["pid"] == old }
    end
    assert_fails 1, /no instance/, CONFIG, "detach-process", "1"
    succeed(CONFIG, "detach-process", "1", "--ignore-nonexistant-pid")
  end

  def test_draining_is_ordered_and_ended
    assert_match(/\AThe health URL of #{root('blog')} \S+ answers 503: balancers send .*\n\z/,
                 succeed(CONFIG, "drain", root("blog"), "--wait", "60"))
    assert_equal [true, false], [app("blog")["draining"], app("shop")["draining"]]
    assert_match(/\AThe health URL of #{root('blog')} \S+ no longer tells balancers .*\n\z/,
                 succeed(CONFIG, "undrain", root("blog")))
    assert_equal false, app("blog")["draining"]
    assert_match(/\AThe health URL of all applications answers 503: .*\n\z/,
                 succeed(CONFIG, "drain", "--all"))
    assert_includes succeed(STATUS), "(draining: balancers"
    assert_fails 1, /the whole server drains.*undrain --all/, CONFIG, "undrain", root("blog")
    succeed(CONFIG, "undrain", "--all")
    refute_includes succeed(STATUS), "(draining"
  end

  def test_logs_are_reopened
    assert_equal "All done\n", succeed(CONFIG, "reopen-logs")
  end

  def test_an_owner_sees_and_restarts_the_own_application_and_no_other
    needs_root("applications of several users")
    owner = MadeUsers["blog"].name
    others = app("shop")
    assert_equal [root("blog")], apps(as: owner).map { |app| app["root"] }
    deploy("blog", "by its owner")
    succeed(CONFIG, "restart-app", "--all", "--wait", "60", as: owner)
    assert_equal "by its owner", client("blog.test").get("/").body

    assert_fails 1, /no application has the name/, CONFIG, "restart-app", "--name",
                 others["name"], as: owner
    assert_refused others, owner
  end

  # Balancers send no request, so that the next pool process would not learn the owner.
  def test_an_owner_ends_a_drain_after_a_crash
    needs_root("applications of several users")
    owner = MadeUsers["blog"].name
    succeed(CONFIG, "drain", root("blog"), as: owner)
    kill_pool_process
    assert_fails 1, /no application/i, CONFIG, "undrain", root("blog"), as: MadeUsers["shop"].name
    succeed(CONFIG, "undrain", root("blog"), as: owner)
    refute app("blog")&.fetch("draining")
  end

  # A deployment of an application that few use.
  def test_an_owner_restarts_the_own_application_after_a_crash
    needs_root("applications of several users")
    name = app("blog")["name"]
    deploy("blog", "after a crash")
    kill_pool_process
    assert_equal [root("shop")], (apps(as: MadeUsers["shop"].name).map { |app| app["root"] })
    assert_fails 1, /no application/i, CONFIG, "restart-app", "--name", name,
                 as: MadeUsers["stranger"].name
    succeed(CONFIG, "restart-app", root("blog"), as: MadeUsers["blog"].name)
    eventually("the new code") { client("blog.test").get("/").body == "after a crash" }
  end

  def test_a_stranger_sees_and_orders_nothing
    needs_root("to be another user")
    stranger = MadeUsers["stranger"].name
    assert_empty apps(as: stranger)
    assert_includes succeed(STATUS, as: stranger), "App groups    : 0\n"
    assert_fails 1, /passenger-config: /, CONFIG, "drain", "--all", as: stranger
    assert_refused app("shop"), stranger
  end

  def test_an_owner_pauses_and_looks_into_the_own_application_and_no_other
    needs_root("applications of several users")
    number = failed_deploy("shop")
    owner = MadeUsers["shop"].name
    name = app("shop")["name"]
    %w[blog stranger].each do |key|
      output, errors, status = command(CONFIG, "report", number, as: MadeUsers[key].name)
      assert_equal [1, ""], [status, output], key
      assert_match(/there is no report #{number} of an application of yours/, errors)
      refute_match(/broken on purpose|#{Regexp.escape(root('shop'))}/, errors, key)
    end
    assert_includes succeed(CONFIG, "report", number, as: owner), "broken on purpose"
    succeed(CONFIG, "api-call", "threads", name, "1", as: owner)
    assert_equal 1, JSON.parse(succeed(CONFIG, "api-call", "threads", name, "0", as: owner)).size
    succeed(CONFIG, "pause", root("shop"), as: owner)
    assert_operator app("shop").dig("queue", "paused_for"), :>, 0
    succeed(CONFIG, "resume", root("shop"), as: owner)
    assert_equal 0, app("shop").dig("queue", "paused_for")
  ensure
    succeed(CONFIG, "restart-app", root("shop"), "--wait", "60") if number
  end

  def test_a_user_who_may_not_measure_memory_is_told_so
    needs_root("applications of several users")
    output, errors, status = command("passenger-memory-stats", as: MadeUsers["blog"].name)
    assert_equal 0, status
    assert_match(/^#{pid('blog')} .* MB .*/, output)
    assert_includes output, " ? "
    assert_match(/may not measure .* sudo/, errors)
  end

  private

  # That the user may order nothing about the application, and learns nothing of it: a refusal is
  # that for a name that no application has.
  def assert_refused(app, user)
    missing = { "name" => "none", "instances" => [{ "pid" => 1 }] }
    orders(app).zip(orders(missing)).each do |order, same|
      texts = [order, same].map do |words|
        output, errors, status = command(CONFIG, "api-call", *words, as: user)
        assert_equal [1, ""], [status, output], words.join(" ")
        errors.gsub(words[1].to_s, "")
      end
      assert_match(/\Apassenger-config: /, texts.first)
      assert_equal(*texts, order.join(" "))
    end
    told = JSON.parse(succeed(CONFIG, "api-call", "status", app["name"], as: user))
    assert_empty told["apps"]
    assert_untouched app
  end

  def assert_untouched(before)
    now = app("shop")
    %w[version draining].each { |key| assert_equal before[key], now[key] }
    assert_equal 0, now.dig("queue", "paused_for")
    assert_equal(*[before, now].map { |one| one["instances"].map { |instance| instance["pid"] } })
  end

  # All orders that concern an application, and one about the server.
  def orders(app)
    name = app["name"]
    [["restart", name], ["drain", name, "1"], ["drain", name, "0"], ["pause", name, "60"],
     ["resume", name], ["threads", name, "1"], ["threads", name, "0"],
     ["detach", app["instances"].first["pid"].to_s], ["reopen_logs"]]
  end

  # The number of the report of a version that does not start; the old one serves.
  def failed_deploy(name)
    file = File.join(root(name), "config.ru")
    good = File.read(file)
    File.write(file, "raise 'broken on purpose'")
    _, errors, status = command(CONFIG, "restart-app", root(name), "--wait", "60")
    assert_equal 1, status, errors
    assert_match(/did not start: .*broken on purpose/, errors)
    errors[/passenger-config report (\S+)/, 1]
  ensure
    File.write(file, good)
  end

  def deploy(name, text)
    File.write(File.join(root(name), "config.ru"), SampleApps.saying(text))
  end
end
