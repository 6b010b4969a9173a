# frozen_string_literal: true

require_relative "support/command_runner"
require_relative "support/integration_test"

# Applications that no request can ask for after a reload.
class RemovedAppsTest < IntegrationTest
  include CommandRunner

  PID = 'run proc { [200, { "Content-Type" => "text/plain" }, [Process.pid.to_s]] }'

  def test_an_application_whose_name_is_gone_ends
    with_server(made("PassengerAppGroupName former\n")) do |server|
      former = pid(server, "moved.test")
      stays = pid(server, "stays.test")
      server.graceful { |one| one.sites.last.directives = "PassengerAppGroupName latter\n" }
      eventually("the former instance has ended") { !File.exist?("/proc/#{former}") }
      server.log.wait_for(/event=app\.removed app="former" instances=1$/)
      refute_equal former, pid(server, "moved.test")
      server.graceful
      assert_equal stays, pid(server, "stays.test")
      assert_equal 1, server.log.count(/event=app\.removed/)
    end
  end

  def test_the_application_of_a_removed_virtual_host_ends_after_its_request
    one = made("")
    one.site("slow.test", SampleApps.rack)
    with_server(one) do |server|
      stays = pid(server, "stays.test")
      path = fifo
      started = File.join(scratch, "started")
      answer = Thread.new do
        server.client("slow.test", timeout: 60).get("/wait?fifo=#{path}&started=#{started}").body
      end
      eventually { File.exist?(started) }
      server.graceful { |changed| changed.sites.pop }
      server.log.wait_for(/event=app\.removed app="[^"]*" instances=1$/)
      release(path, "finished")
      assert_match(/\Afinished/, answer.value)
      eventually("the application has ended") { applications(server).size == 1 }
      assert_equal stays, pid(server, "stays.test")
    end
  end

  def test_the_environment_of_before_ends
    { "" => "PassengerAppEnv staging\n", "PassengerAppEnv staging\n" => "",
      "RailsEnv test\n" => "<Location />\nRackEnv staging\n</Location>\nPassengerAppEnv qa\n" }
      .each do |before, after|
      with_server(made(before)) do |server|
        former = pid(server, "moved.test")
        stays = pid(server, "stays.test")
        server.graceful { |one| one.sites.last.directives = after }
        eventually("the former instance has ended") { !File.exist?("/proc/#{former}") }
        refute_equal former, pid(server, "moved.test")
        assert_equal stays, pid(server, "stays.test")
        assert_equal 1, server.log.count(/event=app\.removed/)
      end
    end
  end

  def test_an_application_that_gets_a_user_ends_as_its_former_user
    skip "needs root" unless TestEnvironment.root?
    with_server(made("")) do |server|
      former = pid(server, "moved.test")
      server.graceful { |one| one.sites.last.directives = "PassengerUser games\n" }
      eventually("the former instance has ended") { !File.exist?("/proc/#{former}") }
    end
  end

  # A request that an httpd child of before the reload still has.
  def test_an_earlier_request_starts_a_removed_application_for_itself_only
    with_server(made("")) do |server|
      former = pid(server, "moved.test")
      raw = server.raw("moved.test")
      raw.request("POST", "/", { "Content-Length" => "5", "Expect" => "100-continue" })
      assert_equal 100, raw.read_head.status
      server.graceful { |one| one.sites.pop }
      eventually("the former instance has ended") { !File.exist?("/proc/#{former}") }
      answer = raw.write("hello").response
      assert_equal 200, answer.status
      refute_equal former, Integer(answer.body)
      raw.close
      eventually("its instance has ended") { !File.exist?("/proc/#{answer.body}") }
      server.log.wait_for(/event=app\.forgotten app="[^"]*"/)
    end
  end

  # Nobody has asked for it since the pool process died.
  def test_an_application_whose_pool_process_died_ends_too
    one = made(TestEnvironment.root? ? "PassengerUser #{TestEnvironment.web_user}\n" : "")
    one.set("PassengerPoolIdleTime", 0)
    with_server(one) do |server|
      former = pid(server, "moved.test")
      stays = pid(server, "stays.test")
      kill_pool_process
      server.graceful { |changed| changed.sites.pop }
      eventually("the former instance has ended") { !File.exist?("/proc/#{former}") }
      server.log.wait_for(/event=app\.removed app="[^"]*" instances=1$/)
      assert_equal stays, pid(server, "stays.test")
    end
  end

  # Requests still lead to these applications, or httpd's parent cannot know it.
  KEPT = {
    "another virtual host has the folder" => ["PassengerAppRoot ROOT\n", nil],
    "a section has the environment" =>
      ["", "PassengerAppEnv qa\n<Location /sub>\nPassengerAppEnv production\n</Location>\n"],
    "links lead to folders" => ["PassengerBaseURI /sub\n", nil],
    "the document root may be a link" =>
      ["<Location /sub>\nPassengerResolveSymlinksInDocumentRoot On\n</Location>\n", nil],
    "requests choose the document root" => ["VirtualDocumentRoot ROOT/%1\n", nil],
    "htaccess files may choose" =>
      ["<Directory />\nAllowOverrideList PassengerAppRoot\n</Directory>\n", nil]
  }.freeze

  KEPT.each do |why, (of_the_other, after)|
    define_method("test_no_application_ends_where_#{why.tr(" ", "_")}") do
      one = made("")
      one.main_directives << "LoadModule vhost_alias_module " \
                             "\"#{TestEnvironment.modules_dir}/mod_vhost_alias.so\"\n"
      root = one.sites.last.root
      one.site("other.test", SampleApps.written(PID), of_the_other.gsub("ROOT", root))
      with_server(one) do |server|
        kept = pid(server, "moved.test")
        server.graceful { |changed| change(changed, after) }
        server.log.wait_for(/event=pool\.settings_changed/)
        assert_equal 0, server.log.count(/event=app\.removed/)
        assert_path_exists "/proc/#{kept}"
      end
    end
  end

  # The application has its name still, and its instances serve on.
  def test_other_settings_end_no_instance
    with_server(made("PassengerMemoryLimit 300\n")) do |server|
      before = %w[moved.test stays.test].map { |host| pid(server, host) }
      server.graceful do |one|
        one.set("PassengerDefaultRuby", "/usr/bin/ruby3.1") if File.exist?("/usr/bin/ruby3.1")
        one.set("PassengerMaxLogLinesPerSecond", 50)
        one.sites.last.directives = "PassengerMemoryLimit 400\n"
      end
      assert_equal before, (%w[moved.test stays.test].map { |host| pid(server, host) })
      assert_equal 0, server.log.count(/event=app\.removed/)
    end
  end

  private

  def change(configuration, directives)
    moved = configuration.sites.find { |site| site.name == "moved.test" }
    directives ? moved.directives = directives : configuration.sites.delete(moved)
  end

  def applications(server)
    server.tree.matching(/RubyApp: /)
  end

  def pid(server, host)
    Integer(server.client(host).get("/").body)
  end

  def made(directives)
    HttpdConfiguration.new.tap do |one|
      one.set("PassengerMinInstances", 1)
      one.site("stays.test", SampleApps.written(PID))
      one.site("moved.test", SampleApps.written(PID), directives)
    end
  end
end
