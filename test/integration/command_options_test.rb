# frozen_string_literal: true

require "json"
require "open3"

require_relative "support/two_apps"

# Options, subjects and exit statuses of the commands that no other test has.
class CommandOptionsTest < IntegrationTest
  include TwoApps

  MEMORY = "passenger-memory-stats"

  def test_memory_is_shown_without_httpd
    shown, without, nginx = [[], %w[--no-apache], %w[--no-nginx]].map do |options|
      JSON.parse(succeed(MEMORY, "--json", *options))
    end
    # Other servers of the machine may begin and end meanwhile.
    apache = [shown, without, nginx].map do |sections|
      sections.any? { |section| section["title"] == "Apache processes" }
    end
    assert_equal [true, false, true], apache
    assert_includes pids_of(shown), server.pid
    refute_includes pids_of(without), server.pid
    refute_includes succeed(MEMORY, "--no-apache"), "Apache processes"
    assert_includes succeed(MEMORY, "--no-nginx"), "Apache processes"
  end

  def test_an_agent_is_found_by_the_pid_of_its_anchor
    anchor = JSON.parse(succeed(CONFIG, "list-instances", "--json")).first["pid"].to_s
    assert_includes succeed(STATUS, "--pid-identifier", anchor), "App groups    : 2\n"
    assert_fails 1, /\S/, STATUS, "--pid-identifier", server.pid.to_s
    assert_fails 1, /no agent has a name that begins with #{anchor}/, STATUS, anchor
  end

  def test_a_list_without_agents_is_quiet_if_that_is_wanted
    nowhere = ["--registry-dir", scratch]
    assert_match(/\Ano agent of mod_passenger is running.*#{scratch}/,
                 succeed(CONFIG, "list-instances", *nowhere))
    assert_equal "", succeed(CONFIG, "list-instances", "--quiet", *nowhere)
    assert_equal succeed(CONFIG, "list-instances"), succeed(CONFIG, "list-instances", "--quiet")
  end

  def test_an_application_is_drained_and_paused_by_its_name_alone
    name = app("blog")["name"]
    # Another test may have ordered a restart.
    eventually("it serves") { app("blog")["state"] == "serving" }
    succeed(CONFIG, "drain", "--name", name)
    assert_equal [true, false], (%w[blog shop].map { |one| app(one)["draining"] })
    succeed(CONFIG, "undrain", "--name", name)
    refute app("blog")["draining"]
    succeed(CONFIG, "pause", "--name", name, "--limit", "30")
    assert_includes 1..30, app("blog").dig("queue", "paused_for")
    assert_equal 0, app("shop").dig("queue", "paused_for")
    assert_equal 1, succeed(STATUS).scan("  (paused)\n").size
    succeed(CONFIG, "resume", "--name", name)
    assert_equal 0, app("blog").dig("queue", "paused_for")
    %w[drain undrain pause resume].each do |order|
      assert_fails 1, /no application has the name #{Regexp.escape(name)}x/,
                   CONFIG, order, "--name", "#{name}x"
    end
  end

  def test_a_drain_that_waits_ends_with_the_requests_or_with_its_time
    path = fifo
    slow = Thread.new { client("blog.test").get("/wait?fifo=#{path}") }
    eventually("the request in work") { app("blog")["instances"].first["sessions"] == 1 }
    assert_fails 3, /\Apassenger-config: 1 request is in work or in the queue$/,
                 CONFIG, "drain", root("blog"), "--wait", "0.2"
    assert app("blog")["draining"]
    release(path)
    assert_status 200, slow.value
    succeed(CONFIG, "drain", root("blog"), "--wait", "60")
  ensure
    succeed(CONFIG, "undrain", root("blog"))
  end

  def test_a_drain_waits_on_for_the_requests_of_a_pool_process_that_has_died
    path = fifo
    slow = Thread.new { client("blog.test").get("/wait?fifo=#{path}") }
    eventually("the request in work") { app("blog")["instances"].first["sessions"] == 1 }
    waiting = Thread.new { command(CONFIG, "drain", root("blog"), "--wait", "60") }
    eventually("the drain") { app("blog")["draining"] }
    kill_pool_process
    sleep 1
    assert waiting.alive?, "the request is still in work"
    release(path)
    assert_status 200, slow.value
    assert_equal ["", 0], waiting.value.last(2)
    # Before the next request for it.
    succeed(CONFIG, "undrain", root("blog"))
  end

  def test_a_restart_waits_on_where_the_pool_process_dies
    gate = fifo
    File.write(File.join(root("shop"), "config.ru"),
               "File.read(#{gate.dump})\n#{SampleApps.saying('new')}")
    waiting = Thread.new { command(CONFIG, "restart-app", root("shop"), "--wait", "60") }
    eventually("the start") { app("shop")["state"] == "deploying" }
    kill_pool_process
    File.write(File.join(root("shop"), "config.ru"), SampleApps.saying("new"))
    _, errors, status = waiting.value
    assert_equal ["", 0], [errors, status]
    # The next request begins the restart.
    eventually("the new version") { client("shop.test").get("/").body == "new" }
  end

  # The next pool process starts after a pause that grows.
  def test_an_order_between_two_pool_processes_waits_for_the_next_one
    name = JSON.parse(succeed(CONFIG, "list-instances", "--json")).first["name"]
    File.write(File.join(root("shop"), "config.ru"), SampleApps.saying("newest"))
    3.times { kill_pool_process }
    Process.kill(:KILL, server.tree.matching(/passenger-agent pool/).first.pid)
    assert_match(/^Restarting /, succeed(CONFIG, "restart-app", "--ignore-passenger-not-running",
                                         "--all"))
    eventually("the new version") { client("shop.test").get("/").body == "newest" }
    output, errors, status = command(CONFIG, "restart-app", "--all", "--instance", "nobody",
                                     "--ignore-passenger-not-running")
    assert_equal ["", 0], [output, status], errors
    # An agent keeps its name.
    assert_equal name, JSON.parse(succeed(CONFIG, "list-instances", "--json")).first["name"]
    Process.kill(:KILL, server.tree.matching(/passenger-agent pool/).first.pid)
    succeed(CONFIG, "drain", "--all", "--instance", name)
    assert app("shop")["draining"]
    kill_pool_process
    succeed(CONFIG, "undrain", "--all", "--instance", name)
  end

  def test_an_agent_without_a_pool_process_is_not_one_that_does_not_run
    watchdog = server.tree.matching(/passenger-agent watchdog/).first.pid
    Process.kill(:STOP, watchdog)
    Process.kill(:KILL, server.tree.matching(/passenger-agent pool/).first.pid)
    eventually("no answer") { command(STATUS).last == 2 }
    [%w[restart-app --all --ignore-passenger-not-running], %w[agent-check]].each do |words|
      output, errors, status = command(CONFIG, *words)
      assert_equal ["", 2], [output, status], errors
      assert_match(/\Apassenger-config: the agent in \S+ does not answer: /, errors)
    end
  ensure
    Process.kill(:CONT, watchdog)
    eventually("the next pool process") { command(STATUS).last.zero? }
  end

  def test_the_use_of_processors_is_that_of_the_process_and_not_of_the_time_since_a_take_over
    measured = lambda do
      eventually("a measurement of the instance") do
        one = app("blog")["instances"].first
        one if one && one["state"] == "serving" && one["process_age"].positive?
      end
    end
    before = measured.call
    kill_pool_process
    assert_status 200, client("blog.test").get("/hello")
    after = measured.call
    assert_equal [before["pid"], true], after.values_at("pid", "adopted")
    assert_operator after["process_age"], :>=, before["process_age"]
    assert_operator after["age"], :<, after["process_age"]
  end

  def test_options_without_effect_are_accepted
    assert_equal "All done\n", succeed(CONFIG, "reopen-logs", "--ignore-logs-not-available")
    assert_equal validate, validate("--auto", "--validate-apache2")
  end

  def test_the_exit_status_of_the_check_is_that_of_its_worst_finding
    broken = File.join(scratch, "broken.conf")
    File.write(broken, "#{File.read(configuration_file)}\nPassengerMinInstances many\n")
    { validate => nil, validate("--config", broken) => 1,
      validate("--registry-dir", scratch) => 2 }.each do |(findings, status), expected|
      levels = findings.map { |finding| finding["level"] }
      assert_equal levels.include?("error") ? 1 : levels.include?("warning") ? 2 : 0, status
      assert_equal expected, status if expected
    end
    assert_fails 1, /is not an option/, CONFIG, "validate-install", "--nothing"
  end

  def test_an_event_of_the_log_is_explained
    list = succeed(CONFIG, "event")
    assert_match(/^  deploy\.done \(notice\)$/, list)
    text = succeed(CONFIG, "event", "deploy.done")
    assert_match(/\Adeploy\.done \(notice\), .*\n\n  The new version.*\nWhat to do:\n  /m, text)
    assert_equal text, succeed(CONFIG, "event", "event=deploy.done")
    told = JSON.parse(succeed(CONFIG, "event", "deploy.done", "--json"))
    assert_equal [%w[deploy.done notice]], (told.map { |one| one.values_at("event", "levels") })
    assert_operator JSON.parse(succeed(CONFIG, "event", "--json")).size, :>=,
                    list.scan(/^  \S+ \(/).size
    assert_fails 1, /there is no event "deploy\.x"; there are deploy\./,
                 CONFIG, "event", "deploy.x"
  end

  def test_each_subject_of_about_is_told
    root = TestEnvironment::PASSENGER_ROOT
    version = succeed(CONFIG, "about", "version")
    assert_match(/\Amod_passenger \d+\.\d+\S*\n\z/, version)
    %w[root resourcesdir support-binaries-dir].each do |subject|
      assert_equal "#{root}\n", succeed(CONFIG, "about", subject), subject
    end
    assert File.file?(File.join(succeed(CONFIG, "about", "support-binaries-dir").chomp,
                                "passenger-agent"))
    libraries = succeed(CONFIG, "about", "ruby-libdir").chomp
    assert File.directory?(File.join(libraries, "passenger")), libraries
    assert_match(/\A\S+\n\z/, succeed(CONFIG, "about", "rubyext-compat-id"))
    assert_match(%r{\A/\S+\nServer version: Apache/2\.4},
                 succeed(CONFIG, "about", "detect-apache2"))
    %w[compiled custom-packaged].each { |one| assert_equal "", succeed(CONFIG, "about", one) }
    assert_equal ["", "", 1], command(CONFIG, "about", "installed-from-release-package")
    assert_fails 1, /there are no headers/, CONFIG, "about", "includedir"
    [%w[about], %w[about nothing]].each do |words|
      assert_fails 1, /name a subject: one of version, root, /, CONFIG, *words
    end
    # As an option, too.
    assert_equal version, succeed(CONFIG, "--version")
    assert_equal version, succeed(CONFIG, "about", "--version")
  end

  def test_about_says_what_is_not_installed
    { "ruby-command" => /there is no ruby in PATH/, "rubyext-compat-id" => /ruby does not run/ }
      .each do |subject, text|
      output, errors, status = with_variables({ "PATH" => scratch }, "about", subject)
      assert_equal [1, ""], [status, output], subject
      assert_match text, errors
    end
  end

  def test_native_code_is_built_for_a_ruby_or_the_reason_is_told
    fresh = fresh_root("headers")
    words = ["build-native-support", "--ruby", RbConfig.ruby]
    variables = { "PASSENGER_ROOT" => fresh, "CC" => "/var/empty/cc" }
    output, errors, status = with_variables(variables, *words)
    assert_equal [1, ""], [status, output]
    assert_match(%r{Without native code for \S+: the C compiler /var/empty/cc is missing}, errors)
    built, errors, = with_variables({ "PASSENGER_ROOT" => fresh }, *words)
    assert_match(%r{\ABuilt #{fresh}/native/\S+\.so$}, built, errors)
    assert_equal ["The native code for #{RbConfig.ruby} is up to date.\n", "", 0],
                 with_variables(variables, *words)
    told, = with_variables(variables, *words, "--json")
    assert_equal({ "status" => 0, "ruby" => RbConfig.ruby, "built" => false }, JSON.parse(told))
    assert_fails 1, %r{/var/empty/ruby}, CONFIG, "build-native-support", "--ruby", "/var/empty/ruby"
    assert_fails 1, %r{/bin/false failed, and printed no reason}, CONFIG, "build-native-support",
                 "--ruby", "/bin/false"
  end

  # Its code would run as root, and instances of all users load what it builds.
  def test_root_builds_native_code_for_no_ruby_of_another_user
    needs_root "another user may build for his own Ruby"
    ran = File.join(scratch, "ran")
    ruby = File.join(scratch, "ruby")
    File.write(ruby, "#!/bin/sh\ntouch #{ran}\n")
    File.chmod(0o755, ruby)
    TestEnvironment.hand_over(ruby)
    assert_fails 1, /can change #{ruby}, .*sudo -u USER #{ruby} .*PASSENGER_NATIVE/, CONFIG,
                 "build-native-support", "--ruby", ruby
    refute_path_exists ran
    # Its user may make it executable at any moment.
    File.chmod(0o644, ruby)
    assert_fails 1, /#{ruby} cannot be executed: /, CONFIG, "build-native-support", "--ruby", ruby
  end

  private

  def pids_of(sections)
    sections.flat_map { |section| section["processes"].map { |process| process["pid"] } }
  end

  def configuration_file
    File.join(server.folder, "httpd.conf")
  end

  # The findings and the exit status.
  def validate(*options)
    usual = ["--json", "--httpd", TestEnvironment.httpd]
    usual += ["--config", configuration_file] unless options.include?("--config")
    output, _, status = command(CONFIG, "validate-install", *usual, *options)
    [JSON.parse(output), status]
  end

  def with_variables(variables, *words)
    output, errors, status = Open3.capture3(environment.merge(variables), program(CONFIG), *words)
    [output, errors, status.exitstatus]
  end

  # A PassengerRoot without native code.
  def fresh_root(name)
    folder = File.join(scratch, name)
    %w[lib ext/claims ext/ruby].each do |part|
      FileUtils.mkdir_p(File.dirname(File.join(folder, part)))
      FileUtils.cp_r(File.join(TestEnvironment::SOURCE_DIR, part), File.join(folder, part))
    end
    folder
  end
end
