# frozen_string_literal: true

require_relative "support/command_runner"
require_relative "support/integration_test"

# PassengerPreStart: applications start with httpd.
class PreStartTest < IntegrationTest
  include CommandRunner

  HEALTH = "<Location /health>\nSetHandler passenger-health\n</Location>\n"
  STATUS_PLACE = "<Location /status>\nSetHandler passenger-status\n</Location>\n"
  PRINTER = <<~RUBY
    $stdout.sync = true
    run proc { |env|
      puts "asked for \#{env['REQUEST_METHOD']} \#{env['HTTP_HOST']} \#{env['REQUEST_URI']} " \\
           "by \#{env['HTTP_USER_AGENT']} https=\#{env['HTTPS']}"
      status = env["PATH_INFO"] == "/broken" ? 500 : 200
      [status, { "Content-Type" => "text/plain" }, [Process.pid.to_s]]
    }
  RUBY
  DONE = %r{event=pre_start\.done url="[^"]*" status=200 ms=\d+}.freeze

  def test_an_application_starts_without_a_client
    with_url("http://printer.test:PORT/first?x=1") do |server|
      server.log.wait_for(DONE)
      target = %r{printer\.test:\d+ /first\?x=1}
      server.log.wait_for(/asked for HEAD #{target} by mod_passenger PassengerPreStart/)
      server.log.wait_for(/event=instance\.started/)
      assert_equal 1, server.log.count(/event=instance\.started/)
    end
  end

  # PassengerErrorOverride replaces the answer, but the application has given it.
  def test_an_application_without_a_page_for_the_url_has_started
    refusing = SampleApps.written("run proc { [404, { \"Content-Type\" => \"text/plain\" }, []] }")
    made = configuration do |one|
      one.site("refusing.test", refusing, "PassengerErrorOverride On\nErrorDocument 404 none\n")
    end
    with_urls(made, %w[http://refusing.test:PORT/]) do |server|
      server.log.wait_for(/event=pre_start\.done url="[^"]*" status=404/)
      assert_equal 0, server.log.count(/event=pre_start\.failed/)
    end
  end

  def test_several_applications_are_started
    made = configuration do |one|
      %w[one two].each { |name| one.site("#{name}.test", SampleApps.written(PRINTER)) }
    end
    with_urls(made, %w[http://one.test:PORT/ http://two.test:PORT/]) do |server|
      eventually("both have started") do
        server.log.count(DONE) == 2 && server.log.count(/event=instance\.started/) >= 2
      end
      assert_equal 2, server.log.count(/event=instance\.started/)
    end
  end

  def test_a_url_of_tls_starts_its_application_whatever_the_certificate
    made = configuration { |one| one.site("printer.test", SampleApps.written(PRINTER), tls: true) }
    made.tls_port = UnusedPort.find
    with_urls(made, ["https://printer.test:#{made.tls_port}/"]) do |server|
      server.log.wait_for(DONE)
      server.log.wait_for(/https=on/)
    end
  end

  def test_a_reload_requests_new_urls_and_those_of_stopped_applications
    with_url("http://printer.test:PORT/broken") do |server|
      server.log.wait_for(/event=pre_start\.failed url="[^"]*" status=500/)
      server.graceful do |one|
        one.main_directives << "PassengerPreStart http://printer.test:#{server.port}/new\n"
      end
      server.log.wait_for(DONE)
      server.log.wait_for(%r{asked for HEAD \S+ /new})
      eventually("the broken one was asked for again") do
        server.log.count(%r{asked for HEAD \S+ /broken}) == 2
      end
      position = server.log.position
      server.graceful
      server.log.wait_for(%r{asked for HEAD \S+ /broken}, from: position)
      assert_equal 0, server.log.count(%r{asked for HEAD \S+ /new}, position)
    end
  end

  def test_a_url_without_a_server_delays_neither_start_nor_end
    unused = UnusedPort.find
    with_url("http://printer.test:#{unused}/") do |server|
      assert_status 200, server.client.get("/")
      # The program has its name a moment before it drops root's rights.
      eventually("a helper that keeps trying, without root's rights") do
        helper = server.tree.matching(/\APassenger pre-start/).first
        helper && !helper.uid.zero?
      end
    end
  end

  # The application waits for the file while it loads.
  def test_balancers_send_requests_elsewhere_until_the_first_starts_are_over
    go = File.join(scratch, "go")
    made = configuration do |one|
      one.site("late.test", SampleApps.written("sleep 0.05 until File.exist?('#{go}')\n#{PRINTER}"),
               HEALTH)
      one.site("other.test", SampleApps.written(PRINTER), HEALTH + STATUS_PLACE)
    end
    with_urls(made, %w[http://late.test:PORT/ http://late.test:PORT/again]) do |server|
      answer = assert_status 503, server.client("late.test").get("/health")
      assert_equal "the applications of PassengerPreStart are starting\n", answer.body
      assert_match(/\Aup 0% #the applications of/, succeed(CONFIG, "agent-check"))
      assert_equal ["1", "1", true], warming_up(server)
      # One that serves already is held back for no other.
      assert_status 503, server.client("other.test").get("/health")
      server.client("other.test").get("/")
      assert_status 200, server.client("other.test").get("/health")
      File.write(go, "")
      eventually("health") { server.client("late.test").get("/health").code == "200" }
      assert_match(/\Aup \d+%\n\z/, succeed(CONFIG, "agent-check"))
      assert_equal ["0", "0", false], warming_up(server)
      # Later starts hold nothing back, and neither does a crash of the pool process.
      Process.kill(:KILL, server.tree.matching(/passenger-agent\S* pool/).first.pid)
      server.log.wait_for(/event=pool\.exited/)
      eventually("an answer") { server.client("late.test").get("/").code == "200" }
      assert_status 200, server.client("late.test").get("/health")
    end
  end

  # An upgrade reloads the servers of all hosts at once, and one of them has to serve.
  def test_balancers_send_requests_while_an_agent_that_replaces_another_starts_applications
    needs_root("to have applications of another user")
    go = File.join(scratch, "go")
    made = configuration do |one|
      one.site("late.test", SampleApps.written("sleep 0.05 until File.exist?('#{go}')\n#{PRINTER}"),
               HEALTH)
      one.site("other.test", SampleApps.written(PRINTER), STATUS_PLACE)
    end
    File.write(go, "")
    with_urls(made, %w[http://late.test:PORT/]) do |server|
      eventually("health") { server.client("late.test").get("/health").code == "200" }
      [-> { server.graceful { |one| one.set("PassengerDefaultUser", TestEnvironment.web_user) } },
       -> { Process.kill(:KILL, server.tree.matching(/passenger-agent anchor/).first.pid) }]
        .each do |replace|
        File.delete(go)
        done = server.log.count(DONE)
        replace.call
        eventually("the start in another agent") { starting(server) }
        assert_status 200, server.client("late.test").get("/health")
        assert_equal ["0", "0", false], warming_up(server)
        File.write(go, "")
        eventually("the first answer") { server.log.count(DONE) > done }
      end
    end
  end

  # As of a version manager: a shell that starts programs before it becomes Ruby.
  def test_the_ruby_may_be_a_wrapper
    wrapper = File.join(scratch, "ruby")
    File.write(wrapper, "#!/bin/bash\nruby=$(echo #{RbConfig.ruby} | cat)\n" \
                        "cd \"$(dirname \"$ruby\")\" && exec \"$ruby\" \"$@\"\n")
    File.chmod(0o755, wrapper)
    made = configuration { |one| one.site("printer.test", SampleApps.written(PRINTER)) }
    made.set("PassengerDefaultRuby", wrapper)
    with_urls(made, %w[http://printer.test:PORT/]) { |server| server.log.wait_for(DONE) }
  end

  def test_a_url_that_fails_holds_the_server_back_only_until_it_has_failed
    made = configuration { |one| one.site("broken.test", SampleApps.written("raise 'x'\n")) }
    made.site("other.test", SampleApps.written(PRINTER), HEALTH)
    with_urls(made, %w[http://broken.test:PORT/]) do |server|
      server.log.wait_for(/event=pre_start\.failed url=/)
      eventually("health") { server.client("other.test").get("/health").code == "200" }
    end
  end

  # As of a server behind a balancer that ends TLS.
  def test_a_redirect_of_httpd_starts_nothing_and_is_a_failure
    rule = "RewriteEngine On\nRewriteCond %%{HTTP:X-Forwarded-Proto} !=https\n%s" \
           "RewriteRule ^ https://%%{HTTP_HOST}%%{REQUEST_URI} [R=301,L]\n"
    except = "RewriteCond %{HTTP_USER_AGENT} !^mod_passenger\n"
    made = configuration do |one|
      one.site("away.test", SampleApps.written(PRINTER), rule % "")
      one.site("excepted.test", SampleApps.written(PRINTER), rule % except)
    end
    with_urls(made, %w[http://away.test:PORT/ http://excepted.test:PORT/]) do |server|
      away = %r{event=pre_start\.failed url="[^"]*away.*301, Location: https://away\.test}
      server.log.wait_for(away)
      server.log.wait_for(%r{event=pre_start\.done url="http://excepted\.test:\d+/" status=200})
      assert_equal 1, server.log.count(/event=instance\.started/)
    end
  end

  # Nothing but the balancers' questions asks for a start after the third one.
  def test_balancers_send_nothing_to_an_application_before_its_first_start_that_succeeds
    go = File.join(scratch, "go")
    made = configuration do |one|
      one.site("late.test", SampleApps.written("sleep 0.3\nraise unless File.exist?('#{go}')\n" +
                                               PRINTER), HEALTH)
    end
    with_urls(made, %w[http://late.test:PORT/]) do |server|
      failures = -> { server.log.count(/event=spawn\.failed/) }
      assert_held_back(server) until failures.call >= 4
      # A new version that does not start, either.
      before = failures.call
      FileUtils.touch(File.join(made.sites.first.root, "tmp/restart.txt"))
      assert_held_back(server) until failures.call > before
      assert_match(/\A(down|up 0%) #/, succeed(CONFIG, "agent-check"))
      File.write(go, "")
      eventually("health") { server.client("late.test").get("/health").code == "200" }
      assert_equal 0, server.log.count(/asked for GET/)
    end
  end

  private

  def assert_held_back(server)
    assert_status 503, server.client("late.test").get("/health")
    sleep 0.05
  end

  # Whether the first instance of an application is being started.
  def starting(server)
    answer = server.client("other.test").get("/status?json")
    answer.code == "200" &&
      JSON.parse(answer.body)["apps"].map { |app| app["state"] } == %w[starting]
  end

  # What ?auto, ?metrics and ?json of the status page tell.
  def warming_up(server)
    auto, metrics, json = %w[auto metrics json].map do |form|
      assert_status(200, server.client("other.test").get("/status?#{form}")).body
    end
    [auto[/^ServerWarmingUp: (.+)$/, 1], metrics[/^passenger_warming_up (.+)$/, 1],
     JSON.parse(json)["warming_up"]]
  end

  def with_url(url, &block)
    with_urls(configuration { |one| one.site("printer.test", SampleApps.written(PRINTER)) }, [url],
              &block)
  end

  # PORT stands for httpd's port.
  def with_urls(made, urls, &block)
    @own_server = HttpdServer.new(made)
    made.main_directives = urls.map { |url| "PassengerPreStart " \
                                            "#{url.sub('PORT', @own_server.port.to_s)}\n" }.join
    @own_server.start
    block.call(@own_server)
    assert_nothing_left @own_server.stop
  end
end
