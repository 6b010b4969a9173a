# frozen_string_literal: true

require_relative "support/command_runner"
require_relative "support/integration_test"
require_relative "support/module_copy"
require_relative "support/steady_load"

# Deployments that come in each other's way, under load. Each site is a link `current` to a folder
# releases/N, as Capistrano makes it. A release notes its boot in the file `boots` beside `current`,
# and boots until its file `go_on` exists.
class ReleasesTest < IntegrationTest
  include CommandRunner

  SPAWNS = %w[smart direct].freeze
  NAMES = %w[touches first removed overtaken].freeze

  # Only the first process can load the application. It waits for the second one.
  ONLY_THE_FIRST = <<~'RUBY'
    File.write("boot-#{Process.pid}", "")
    sleep 0.01 until (boots = Dir["boot-*"]).size > 1
    raise "not the first" if Process.pid > boots.map { |name| name[/\d+/].to_i }.min
  RUBY

  serve do |made|
    made.set("PassengerMaxPoolSize", 40)
    NAMES.product(SPAWNS) { |name, spawns| site(made, "#{name}.#{spawns}.test", spawns) }
    site(made, "always.test", "smart")
    site(made, "refork.test", "smart", "PassengerReforkAfter 5\n")
  end

  def self.site(made, name, spawns, directives = "PassengerMinInstances 2\n")
    folder = SampleApps.new_folder
    TestEnvironment.hand_over(folder)
    made.site(name, File.join(folder, "current"),
              "PassengerSpawnMethod #{spawns}\nPassengerMaxInstances 3\n#{directives}")
  end

  def test_several_touches_within_one_boot_fail_no_request
    each_site("touches") do |site|
      serve_release(site, 1)
      answers = SteadyLoad.during(client(site), threads: 3) do |load|
        (2..4).each { |number| deploy_slowly(site, number) }
        (2..4).each { |number| go_on(site, number) }
        load.wait_for("the last version") { |answer| answer.body == "4" }
      end
      assert_change answers, "1", "4"
    end
  end

  def test_requests_wait_for_the_last_of_several_versions_within_the_first_boot
    each_site("first") do |site|
      requests = wait_for_release(site, 1)
      (2..4).each { |number| deploy_slowly(site, number) }
      (1..4).each { |number| go_on(site, number) }
      assert_answers requests, "4"
    end
  end

  # In the first second after a first start nothing looks at restart files by itself.
  def test_a_release_that_is_removed_while_it_boots_fails_no_request
    sites = SPAWNS.product([1, 2, 3]).to_h { |spawns, i| ["unborn#{i}.#{spawns}.test", spawns] }
    @configuration = configuration do |one|
      one.set("PassengerMaxPoolSize", 40)
      one.set("PassengerStatThrottleRate", 3600)
      sites.each { |site, spawns| self.class.site(one, site, spawns) }
    end
    with_server(@configuration) do |server|
      sites.each_key do |site|
        requests = wait_for_release(site, 1, server)
        release(site, 2)
        go_on(site, 2)
        switch(site, 2)
        touch(site)
        FileUtils.rm_rf(folder(site, 1))
        assert_answers requests, "2"
      end
    end
  end

  # An instance dies, and the start of another one waits when the release is switched.
  def test_a_start_that_a_failing_release_overtakes_gives_no_instance
    each_site("overtaken") do |site|
      telling(site, 1)
      switch(site, 1)
      eventually("two instances") do
        client(site).get("/").code == "200" && app(site)["instances"].size == 2
      end
      position = server.log.position
      answers = SteadyLoad.during(client(site), threads: 3) do |load|
        without_spawn_servers do
          lose_instance(site, position)
          telling(site, 2, ONLY_THE_FIRST)
          switch(site, 2)
          touch(site)
          server.log.wait_for(/event=app\.restart app="#{root(site)}/, from: position)
        end
        server.log.wait_for(/event=deploy\.failed app="#{root(site)}/, from: position)
        load.wait_for_all("later answers", count: 20)
      end
      assert_all_answered answers
      assert_equal ["1"], answers.map { |answer| answer.body.split.first }.uniq
    end
  end

  def test_old_releases_that_are_removed_at_once_fail_no_request
    each_site("removed") do |site|
      serve_release(site, 1)
      answers = SteadyLoad.during(client(site), threads: 3) do |load|
        (2..3).each do |number|
          deploy_slowly(site, number) { FileUtils.rm_rf(folder(site, number - 1)) }
          load.wait_for_all("answers")
        end
        go_on(site, 3)
        load.wait_for("the new version") { |answer| answer.body == "3" }
      end
      assert_change answers, "1", "3"
    end
  end

  def test_always_restart_with_slow_boots_fails_no_request
    site = "always.test"
    release(site, 1, "sleep 0.5\n")
    go_on(site, 1)
    switch(site, 1)
    eventually("the first version") { client(site).get("/").body == "1" }
    always = File.join(folder(site, 1), "tmp/always_restart.txt")
    FileUtils.touch(always)
    answers = SteadyLoad.during(client(site), threads: 3) do |load|
      eventually("restarts", within: 60) { boot_count(site, 1) > 4 }
      release(site, 2, "sleep 0.5\n")
      go_on(site, 2)
      FileUtils.touch(File.join(folder(site, 2), "tmp/always_restart.txt"))
      switch(site, 2)
      load.wait_for("the new version") { |answer| answer.body == "2" }
      File.unlink(File.join(folder(site, 2), "tmp/always_restart.txt"))
    end
    assert_change answers, "1", "2"
  end

  def test_deployments_while_reforks_run_fail_no_request
    site = "refork.test"
    serve_release(site, 1)
    answers = SteadyLoad.during(client(site), threads: 3, pause: 0) do |load|
      (2..8).each do |number|
        position = server.log.position
        server.log.wait_for(/event=preloader\.reforked/, from: position) if number.even?
        release(site, number)
        go_on(site, number)
        switch(site, number)
        touch(site)
        load.wait_for("the new version") { |answer| answer.body == number.to_s }
      end
    end
    assert_all_answered answers
  end

  def test_an_agent_that_is_replaced_in_the_middle_of_a_deployment_fails_no_request
    copy = ModuleCopy.new(SampleApps.new_folder)
    site = "agent.test"
    made = configuration do |one|
      one.passenger_module = copy.path
      self.class.site(one, site, "smart")
    end
    @configuration = made
    with_server(made) do |server|
      release(site, 1)
      go_on(site, 1)
      switch(site, 1)
      product = server.client(site).get("/")["X-Powered-By"]
      answers = SteadyLoad.during(server.client(site), threads: 3) do |load|
        deploy_slowly(site, 2)
        copy.replace(product)
        server.graceful
        eventually("another agent boots it", within: 60) { boot_count(site, 2) > 1 }
        go_on(site, 2)
        load.wait_for("the new version") { |answer| answer.body == "2" }
        load.wait_for_all("answers", count: 5)
      end
      assert_all_answered answers
      assert_equal "2", server.client(site).get("/").body
    end
  end

  private

  def each_site(name)
    SPAWNS.each { |spawns| yield "#{name}.#{spawns}.test" }
  end

  def root(site)
    (@configuration || server.configuration).sites.find { |one| one.name == site }.root
  end

  def folder(site, number)
    File.join(File.dirname(root(site)), "releases", number.to_s)
  end

  def release(site, number, more = "")
    folder = folder(site, number)
    FileUtils.mkdir_p([File.join(folder, "public"), File.join(folder, "tmp")])
    File.write(File.join(folder, "library.rb"), "VERSION = #{number.to_s.inspect}\n")
    File.write(File.join(folder, "config.ru"), <<~RUBY)
      here = #{folder.dump}
      File.open(File.join(#{File.dirname(root(site)).dump}, "boots"), "a") { |f| f.puts #{number} }
      sleep 0.02 until File.exist?(File.join(here, "go_on")) || !File.exist?(here)
      require File.join(here, "library")
      #{more}run proc { |_| [200, { "Content-Type" => "text/plain" }, [VERSION]] }
    RUBY
    TestEnvironment.hand_over(File.dirname(root(site)))
  end

  def switch(site, number)
    current = root(site)
    File.symlink(folder(site, number), "#{current}.next")
    File.rename("#{current}.next", current)
  end

  def touch(site)
    FileUtils.touch(File.join(root(site), "tmp/restart.txt"))
  end

  # Returns while the release boots. The block is called after the switch.
  def deploy_slowly(site, number)
    release(site, number)
    switch(site, number)
    touch(site)
    yield if block_given?
    booting(site, number)
  end

  # Requests that wait for the first boot of all.
  def wait_for_release(site, number, from = server)
    release(site, number)
    switch(site, number)
    requests = Array.new(3) { Thread.new { from.client(site).get("/") } }
    booting(site, number)
    requests
  end

  # A release that answers with its number, its process and the parent of this.
  def telling(site, number, more = "")
    release(site, number)
    File.write(File.join(folder(site, number), "config.ru"), <<~RUBY)
      #{more}run proc { |_| [200, {}, ["#{number} \#{Process.pid} \#{Process.ppid}"]] }
    RUBY
  end

  # The spawn servers stand still meanwhile.
  def without_spawn_servers
    pids = server.tree.spawn_servers.map(&:pid)
    pids.each { |pid| Process.kill(:STOP, pid) }
    yield
  ensure
    pids&.each { |pid| Process.kill(:CONT, pid) }
  end

  # An instance dies, and the preloader with it. Returns when the next load is ordered.
  def lose_instance(site, position)
    _, instance, preloader = client(site).get("/").body.split
    Process.kill(:KILL, preloader.to_i) if site.include?("smart")
    Process.kill(:KILL, instance.to_i)
    eventually("the order of a start") { app(site)["starting"].positive? }
    return unless site.include?("smart")

    server.log.wait_for(/event=preloader\.died app="#{root(site)}/, from: position)
  end

  def assert_answers(requests, version)
    answers = requests.map { |request| [request.value.code, request.value.body] }
    assert_equal [["200", version]], answers.uniq
  end

  def go_on(site, number)
    FileUtils.touch(File.join(folder(site, number), "go_on"))
  end

  def boot_count(site, number)
    file = File.join(File.dirname(root(site)), "boots")
    File.exist?(file) ? File.readlines(file).count { |line| line.to_i == number } : 0
  end

  def booting(site, number)
    eventually("release #{number} boots", within: 60) { boot_count(site, number).positive? }
  end

  def serve_release(site, number)
    release(site, number)
    go_on(site, number)
    switch(site, number)
    eventually("the first version") { client(site).get("/").body == number.to_s }
  end

  def assert_all_answered(answers)
    failed = answers.reject { |answer| answer.code == 200 }
    assert_empty failed.first(5), "#{failed.size} of #{answers.size} failed"
  end

  # No request fails, and a request that was sent after an answer of the new version gets it, too.
  def assert_change(answers, old, new)
    assert_all_answered answers
    assert_equal [old, new], answers.map(&:body).uniq.sort
    seen = answers.select { |answer| answer.body == new }.map(&:answered).min
    assert_empty answers.select { |answer| answer.asked > seen && answer.body == old }
  end
end
