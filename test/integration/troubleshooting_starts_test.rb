# frozen_string_literal: true

require_relative "support/made_users"
require_relative "support/troubleshooting"

# Applications that do not start, or start with another user or environment than was meant:
# doc/TROUBLESHOOTING.md#500-at-the-start; boot_failure_test.rb has a library that is missing, too
# doc/TROUBLESHOOTING.md#it-works-in-irb-but-not-under-httpd
# doc/TROUBLESHOOTING.md#an-application-runs-as-the-wrong-user
class TroubleshootingStartsTest < TroubleshootingTest
  # Serves if the block of code is true.
  def self.needing(code)
    "value = (#{code})\nrun proc { |_env| [200, {}, [value.to_s]] }\n"
  end

  BUSY = "File.open(File.join(__dir__, 'tmp/gate'), 'r', &:gets)\n"

  serve do |made|
    made.site("ruby.test",
              SampleApps.written(needing("ENV['OTHER_RUBY'] || raise('needs another')")))
    made.site("variable.test", SampleApps.written(needing("ENV.fetch('SECRET_OF_TEST')")))
    made.site("secret.test", SampleApps.written(needing("File.read('secret')")))
    made.site("slow.test", SampleApps.written("#{BUSY}#{needing('"served"')}"),
              "PassengerStartTimeout 10\n")
    made.site("silent.test", SampleApps.copy("http_app"),
              "PassengerStartTimeout 10\nPassengerAppStartCommand \"sleep 4714\"\n")
    made.site("bundle.test", gem_app)
    made.site("unforkable.test", SampleApps.written("def Random.srand = exit!(4)\n" \
                                                    "#{SampleApps.saying('served')}"))
    made.site("raising.test", SampleApps.written("run proc { |_env| raise KeyError, 'found' }\n"))
    made.site("threads.test", SampleApps.written(THREADS))
    made.site("environment.test", SampleApps.written(needing("ENV['RACK_ENV']")))
    root = SampleApps.written(needing("[ENV['RUBYLIB'], ENV['HARMLESS']].inspect"))
    File.write("#{root}/public/.htaccess", "SetEnv RUBYLIB /srv/blog/lib\nSetEnv HARMLESS 1\n")
    made.site("htaccess.test", root,
              "<Directory \"#{root}/public\">\n  AllowOverride All\n</Directory>\n")
    users(made) if TestEnvironment.root?
  end

  THREADS = <<~RUBY
    def work = $worker = Thread.new { sleep }
    work
    run proc { |_env| [200, {}, [$worker.alive? ? "alive" : "dead"]] }
  RUBY

  # Its gems are in vendor/cache only, so no network is needed to install them.
  def self.gem_app
    folder = SampleApps.written("require 'of_test'\nrun proc { |_env| [200, {}, [OF_TEST]] }\n")
    FileUtils.mkdir_p(["#{folder}/vendor/cache", "#{folder}/.bundle", "#{folder}/of_test/lib"])
    File.write("#{folder}/of_test/lib/of_test.rb", "OF_TEST = 'served'\n")
    build_gem(folder, "of_test", "1.0")
    rack = Gem::Specification.find_by_name("rack")
    FileUtils.mkdir_p("#{folder}/rack")
    FileUtils.cp_r(File.join(rack.full_gem_path, "lib"), "#{folder}/rack/lib")
    build_gem(folder, "rack", rack.version)
    File.write("#{folder}/.bundle/config", "BUNDLE_PATH: \"vendor/bundle\"\n")
    File.write("#{folder}/Gemfile", "gem \"of_test\"\ngem \"rack\"\n")
    TestEnvironment.hand_over(folder)
  end

  def self.build_gem(folder, name, version)
    File.write("#{folder}/#{name}/#{name}.gemspec", <<~RUBY)
      Gem::Specification.new("#{name}", "#{version}") do |gem|
        gem.summary = gem.author = "Test"
        gem.files = Dir["lib/**/*.rb"]
      end
    RUBY
    output, status = Open3.capture2e(RbConfig.ruby, "-S", "gem", "build", "#{name}.gemspec",
                                     "--output", "#{folder}/vendor/cache/#{name}-#{version}.gem",
                                     chdir: "#{folder}/#{name}")
    raise "gem build failed: #{output}" unless status.success?
  end

  def self.users(made)
    show_user = needing("require 'etc'; Etc.getpwuid.name")
    %w[roots absent off].each { |name| made.site("#{name}.test", SampleApps.written(show_user)) }
    roots, absent = made.sites.last(3).map(&:root)
    File.chown(0, 0, "#{roots}/config.ru")
    File.chown(MadeUsers.unknown_uid, nil, "#{absent}/config.ru")
    shell = SampleApps.written(needing("ENV['OF_SHELL'].inspect"))
    FileUtils.chown_R(MadeUsers["shell"].name, nil, shell)
    made.site("shell.test", shell)
    borrowed = SampleApps.written(show_user)
    link = File.join(SampleApps.new_folder, "current")
    File.symlink(borrowed, link)
    File.lchown(MadeUsers["shell"].uid, MadeUsers["shell"].gid, link)
    made.site("link.test", link)
  end

  def test_500_with_another_ruby
    failed_start("ruby")
    ruby = File.join(SampleApps.new_folder, "ruby")
    File.write(ruby, "#!/bin/sh\nOTHER_RUBY=served exec '#{RbConfig.ruby}' \"$@\"\n", perm: 0o755)
    configure("ruby", "PassengerRuby #{ruby}\n")
    assert_cured "ruby"
  end

  def test_500_without_a_gem
    text = report(failed_start("bundle"))
    assert_match(/bundle install/, text)
    # As the user and with the Ruby of the report.
    user = TestEnvironment.root? ? AS_WEB_USER : []
    ruby = text[%r{^ +Ruby +(/.+)$}, 1]
    output, status = Open3.capture2e({ "HOME" => scratch }, *user, ruby, "-S", "bundle", "install",
                                     "--local", chdir: root("bundle"))
    assert status.success?, output
    restart("bundle")
    assert_cured "bundle"
  end

  def test_500_without_a_variable
    assert_match(/SetEnv/, report(failed_start("variable")))
    configure("variable", "SetEnv SECRET_OF_TEST served\n")
    assert_cured "variable"
  end

  def test_500_without_permission
    needs_root "a file that the application may not read"
    secret = File.join(root("secret"), "secret")
    File.write(secret, "served", perm: 0o600)
    text = report(failed_start("secret"))
    assert_match(/permission denied/i, text)
    assert_includes text, TestEnvironment::WEB_USER
    system("chown", TestEnvironment::WEB_USER, secret)
    restart("secret")
    assert_cured "secret"
  end

  def test_500_when_the_time_was_over
    path = File.join(root("slow"), "tmp/gate")
    File.mkfifo(path, 0o666)
    TestEnvironment.hand_over(path)
    assert_match(/config\.ru:1/, report(failed_start("slow")), "the backtrace says where it waited")
    configure("slow", "PassengerStartTimeout 60\n")
    writer = Thread.new { File.open(path, "w") { |gate| gate.puts("go") } }
    restart("slow")
    assert_cured "slow"
  ensure
    writer&.kill
  end

  def test_500_of_a_command_that_does_not_listen
    assert_match(/PORT/, report(failed_start("silent")))
    configure("silent", "PassengerAppStartCommand \"#{RbConfig.ruby} server.rb\"\n")
    eventually("an answer") { get("silent", "/head").code == "200" }
  end

  def test_500_of_a_running_application
    assert_status 500, get("raising")
    logged(/App \d+ output: .*event=request\.failed/)
    logged(/config\.ru:1/)
    correct("raising", SampleApps.saying("served"))
    assert_cured "raising"
  end

  def test_passenger_app_env_chooses_the_environment
    assert_cured "environment", "production"
    configure("environment", "PassengerAppEnv development\n")
    assert_cured "environment", "development"
  end

  def test_a_variable_of_an_htaccess_file_that_decides_which_code_runs
    assert_cured "htaccess", '[nil, "1"]'
    logged(/event=spawn\.variable_ignored .*RUBYLIB/)
    configure("htaccess", "#{site('htaccess').directives}SetEnv RUBYLIB /srv/blog/lib\n")
    renew("htaccess") { get("htaccess").body == '["/srv/blog/lib", "1"]' }
  end

  def test_instances_lack_threads_that_the_preloader_has_started
    assert_cured "threads", "dead"
    event = "PhusionPassenger.on_event(:starting_worker_process) { |_forked| work }"
    correct("threads", THREADS.sub(/^work$/, event))
    assert_cured "threads", "alive"
    correct("threads", THREADS)
    assert_cured "threads", "dead"
    configure("threads", "PassengerSpawnMethod direct\n")
    renew("threads") { get("threads").body == "alive" }
  end

  def test_an_application_that_survives_no_fork_needs_spawn_method_direct
    assert_cured "unforkable"
    logged(/event=preloader\.given_up app="#{root('unforkable')}/)
    configure("unforkable", "PassengerSpawnMethod direct\n")
    renew("unforkable") do
      before = server.log.position
      succeed(CONFIG, "restart-app", "--wait", "60", root("unforkable"))
      !server.log.text(before).match?(/event=preloader\.given_up app="#{root('unforkable')}/)
    end
    assert_cured "unforkable"
  end

  def test_only_interactive_shells_read_a_variable_of_bashrc
    needs_root "a user with a login shell"
    home = MadeUsers["shell"].home
    line = "export OF_SHELL=known\n"
    File.write("#{home}/.bashrc", "case $- in *i*) ;; *) return ;; esac\n#{line}")
    File.write("#{home}/.profile", ". ~/.bashrc\n")
    assert_cured "shell", "nil"
    File.write("#{home}/.profile", line, mode: "a")
    restart("shell")
    assert_cured "shell", '"known"'
  end

  def test_applications_of_root_and_of_a_missing_user_run_as_nobody
    needs_root "applications change their user"
    %w[roots absent].each { |name| assert_cured name, "nobody" }
    assert_includes succeed(STATUS, "--verbose"), "nobody"
    %w[roots absent].each { |name| logged(/event=spawn\.user_replaced app="#{root(name)}/) }
    File.chown(Etc.getpwnam("games").uid, nil, "#{root('roots')}/config.ru")
    restart("roots")
    assert_cured "roots", "games"
    configure("absent", "PassengerUser games\n")
    assert_cured "absent", "games"
  end

  def test_the_owner_of_the_folder_does_not_count
    needs_root "applications change their user"
    games = Etc.getpwnam("games").uid
    File.chown(games, nil, root("off"))
    assert_cured "off", TestEnvironment::WEB_USER
    File.chown(games, nil, "#{root('off')}/config.ru")
    restart("off")
    assert_cured "off", "games"
    server.graceful { |made| made.set("PassengerUserSwitching", "off") }
    assert_cured "off", "nobody"
    server.graceful { |made| made.set("PassengerUserSwitching", "on") }
    assert_cured "off", "games"
  end

  def test_a_link_of_another_user_fails_the_start
    needs_root "applications change their user"
    assert_match(/the link .* belongs to user/, failed_start("link"))
    system("chown", "-h", "root", root("link"))
    eventually("the application") { get("link").body == TestEnvironment::WEB_USER }
  end

  private

  # The line of the failed start.
  def failed_start(name)
    assert_status 500, get(name)
    logged(/event=spawn\.failed app="#{Regexp.escape(root(name))}.*report=/)
  end
end
