# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/made_users"

# The users of applications, their environments, and what an application can do to another user's.
class UsersTest < IntegrationTest
  # Reports about its process, and does what the request demands, as any application may.
  PROBE = <<~'RUBY'
    require "json"
    # Numbers of system calls, the same on all newer architectures.
    PIDFD_OPEN = 434
    PIDFD_GETFD = 438

    def attempt
      yield
      "done"
    rescue SystemCallError => e
      e.class.name
    end

    # Counts descriptors by kind: sockets, such as its queue and channels, and memory files, such as
    # its claims.
    kind = lambda do |path|
      case File.readlink(path)
      when /socket:/ then "sockets"
      when /memfd:/ then "memory files"
      else "others"
      end
    rescue SystemCallError
      "unknown"
    end

    # The result of trying to get each descriptor number of a process.
    steal = lambda do |pid|
      pidfd = syscall(PIDFD_OPEN, pid, 0)
      (0..255).each_with_object(Hash.new { |all, of| all[of] = [] }) do |number, all|
        path = "/proc/#{pid}/fd/#{number}"
        of = kind.call(path)
        all["#{of}, taken"] << attempt { IO.for_fd(syscall(PIDFD_GETFD, pidfd, number, 0)).close }
        [File::RDONLY, File::WRONLY].each do |mode|
          all["#{of}, opened"] << attempt { File.open(path, mode | File::NONBLOCK).close }
        end
      end.transform_values(&:tally)
    end

    attack = lambda do |pid|
      files = %w[mem environ maps fd cwd].to_h do |name|
        path = "/proc/#{pid}/#{name}"
        result = attempt do
          case name
          when "fd" then Dir.children(path)
          when "cwd" then File.readlink(path)
          else File.open(path, "rb") { |file| file.read(1) }
          end
        end
        [name, result]
      end
      pidfd = syscall(PIDFD_OPEN, pid, 0)
      files.merge("signal" => attempt { Process.kill(0, pid) },
                  "getfd" => attempt { syscall(PIDFD_GETFD, pidfd, 3, 0) })
    end

    run(lambda do |env|
      answer =
        case env["PATH_INFO"]
        when "/attack" then attack.call(env["QUERY_STRING"].to_i)
        when "/steal" then steal.call(env["QUERY_STRING"].to_i)
        when "/limit" then Process.getrlimit(:NOFILE)
        else { "uid" => [Process.uid, Process.euid], "gid" => [Process.gid, Process.egid],
               "groups" => Process.groups.sort,
               "pid" => Process.pid, "pwd" => Dir.pwd, "env" => ENV.to_h }
        end
      [200, { "Content-Type" => "application/json" }, [JSON.generate(answer)]]
    end)
  RUBY

  if TestEnvironment.root?
    serve do |made|
      # All fit into the pool: none ends for another while a test looks at it.
      made.set("PassengerMaxPoolSize", 40)
      one, other = %w[a b].map { |key| MadeUsers[key] }
      MadeUsers.run("usermod", "--append", "--groups", "daemon", one.name)
      File.write(File.join(one.home, ".profile"), <<~PROFILE)
        export FROM_PROFILE=yes SAMPLE_SETTING=profile PROFILE_FOLDER=$PWD
        echo "the profile was read"
      PROFILE
      made.site("one.test", probe(one.name), "SetEnv SAMPLE_SETTING directive\n")
      made.site("plain.test", probe(one.name), "PassengerLoadShellEnvvars Off\n")
      made.site("other.test", probe(other.name))
      made.site("root.test", probe("root"))
      made.site("unknown.test", probe(MadeUsers.unknown_uid))
      made.site("named.test", probe(one.name), "PassengerUser #{other.name}\n")
      made.site("group.test", probe(one.name), "PassengerGroup daemon\n")
      made.site("file_group.test", probe(one.name, "games"), "PassengerGroup !STARTUP_FILE!\n")
      made.site("wrong.test", probe(one.name), "PassengerUser no-such-user\n")
      shared = probe(one.name)
      made.site("first.test", shared)
      made.site("second.test", shared, "PassengerUser #{other.name}\n")
      made.site("third.test", shared, "PassengerGroup daemon\n")
      folder = closed(probe(one.name))
      made.site("closed.test", nil, "PassengerAppRoot #{folder}\nPassengerUser #{other.name}\n",
                document_root: File.join(probe(other.name), "public"))
      made.site("own_closed.test", nil, "PassengerAppRoot #{closed(probe(one.name))}\n" \
                                        "PassengerUser #{one.name}\n",
                document_root: File.join(probe(one.name), "public"))
      made.site("borrowed.test", linked(other, probe(one.name)))
      made.site("lent.test", linked(other, probe(one.name)), "PassengerUser #{other.name}\n")
      made.site("root_link.test", linked("root", probe(one.name)))
      made.site("restarted.test", probe(one.name))
      made.site("hidden.test", probe(other.name).tap { |app| hide_restart_folder(app, other.name) })
    end
  end

  class << self
    # Belongs to `owner` and to `group`, or to the owner's group.
    def probe(owner, group = nil)
      SampleApps.written(PROBE).tap do |folder|
        FileUtils.chown_R(owner, group || group_of(owner), folder)
      end
    end

    # A folder that only its owner may enter.
    def closed(folder)
      File.chmod(0o700, folder)
      folder
    end

    # A link of this user to an application of any user, in a folder of this user.
    def linked(user, app)
      name = user.is_a?(String) ? user : user.name
      folder = SampleApps.new_folder
      FileUtils.chown(name, nil, folder)
      File.symlink(app, File.join(folder, "app"))
      File.lchown(Etc.getpwnam(name).uid, nil, File.join(folder, "app"))
      File.join(folder, "app")
    end

    # The application's `tmp` leads to a folder that only root may enter.
    def hide_restart_folder(app, owner)
      private_folder = closed(SampleApps.new_folder)
      FileUtils.rm_rf(File.join(app, "tmp"))
      File.symlink(private_folder, File.join(app, "tmp"))
      File.lchown(Etc.getpwnam(owner).uid, nil, File.join(app, "tmp"))
      FileUtils.touch(File.join(private_folder, "restart.txt"))
    end

    private

    def group_of(owner)
      owner.is_a?(String) ? Etc.getpwnam(owner).gid : owner
    end
  end

  def setup
    needs_root("applications run as other users")
  end

  def root(name)
    server.configuration.sites.find { |site| site.name == "#{name}.test" }.root
  end

  def move(file)
    time = Time.now + 60
    File.utime(time, time, file)
  end

  def seen(site)
    client(site).json("/")
  end

  # The outcome for the instance, its preloader, the spawn server, httpd's parent, and all of the
  # agent's processes, unless they end meanwhile.
  def each_attack(path)
    # Its start is over: none of these becomes its own process.
    seen("other.test")
    line = eventually("the end of the boot") { server.tree.line_of(seen("one.test")["pid"]) }
    agents = server.tree.matching(/passenger-agent/) + server.tree.rights_connections
    (line + agents).uniq(&:identity).each do |process|
      answer = client("other.test").get("#{path}?#{process.pid}")
      yield JSON.parse(answer.body), process.command_line if process.alive?
    end
  end

  # Nil if it has ended.
  def uid_of(process)
    File.stat("/proc/#{process.pid}").uid
  rescue SystemCallError
    nil
  end

  # Checks that a process has the ids of this user for good, and this group.
  # False for a process that has ended.
  def ruby?(process)
    File.readlink("/proc/#{process.pid}/exe") == File.readlink("/proc/self/exe")
  rescue Errno::ENOENT
    false
  end

  def assert_runs_as(name, group, site)
    uid = Etc.getpwnam(name).uid
    gid = Etc.getgrnam(group).gid
    assert_equal [[uid] * 2, [gid] * 2], seen(site).values_at("uid", "gid")
  end

  def test_an_application_runs_as_the_owner_of_its_startup_file
    assert_runs_as MadeUsers["a"].name, MadeUsers["a"].name, "one.test"
  end

  def test_the_users_other_groups_are_the_process_s_and_no_others
    assert_equal [MadeUsers["a"].gid, Etc.getgrnam("daemon").gid].sort, seen("one.test")["groups"]
  end

  def test_an_application_of_root_runs_as_the_default_user
    assert_runs_as "nobody", "nogroup", "root.test"
  end

  def test_an_application_of_an_unknown_user_runs_as_the_default_user
    assert_runs_as "nobody", "nogroup", "unknown.test"
  end

  def test_the_user_can_be_configured
    assert_runs_as MadeUsers["b"].name, MadeUsers["b"].name, "named.test"
  end

  def test_the_group_can_be_configured
    assert_runs_as MadeUsers["a"].name, "daemon", "group.test"
  end

  def test_places_of_one_folder_that_name_different_users_or_groups_share_no_instance
    one, other = %w[a b].map { |key| MadeUsers[key].name }
    expected = { "first.test" => [one, one], "second.test" => [other, other],
                 "third.test" => [one, "daemon"] }
    pids = Array.new(2) do
      expected.map do |site, (user, group)|
        assert_runs_as user, group, site
        seen(site)["pid"]
      end
    end
    assert_equal 3, pids.first.uniq.size
    assert_equal pids.first, pids.last, "none of them was replaced for another's sake"
  end

  def test_the_group_may_be_that_of_the_startup_file
    assert_runs_as MadeUsers["a"].name, "games", "file_group.test"
  end

  def test_the_default_user_takes_the_place_of_one_that_does_not_exist_and_the_log_says_so
    assert_runs_as "nobody", "nogroup", "wrong.test"
    server.log.wait_for(/event=spawn.user_replaced .*no-such-user.* does not exist, so .*nobody/)
  end

  def test_a_check_of_the_configuration_warns_of_a_user_that_does_not_exist
    needs_root "applications change their user"
    output, status = check("PassengerUser no-such-user\n")
    assert status.success?, output
    assert_match(/PassengerUser "no-such-user": there is no such user, .*make the user/, output)
    output, status = check("PassengerUser no-such-user\n", "PassengerUserSwitching" => "off")
    assert status.success?, output
    refute_match(/there is no such user/, output)
  end

  def test_a_folder_that_the_user_may_not_enter_is_a_failed_start_with_a_clear_message
    answer = client("closed.test").get("/")
    assert_status 500, answer
    server.log.wait_for(/report=.*(Permission denied|EACCES)/)
    refute_match(/EACCES|Permission/, answer.body, "the page is for everybody")
  end

  # Whoever owns PassengerDefaultRuby could otherwise become root.
  def test_no_ruby_runs_as_root_and_each_user_has_a_spawn_server
    users = { "one.test" => "a", "other.test" => "b" }.map do |site, key|
      assert_status 200, client(site).get("/")
      MadeUsers[key].uid
    end
    rubies = server.tree.processes.select { |one| ruby?(one) }
    assert_empty(rubies.select { |one| one.uid.zero? })
    spawn_servers = rubies.select { |one| one.command_line.start_with?("Passenger spawn server") }
    assert_empty users - spawn_servers.map(&:uid)
  end

  def test_a_default_ruby_that_users_may_not_execute_is_named
    folder = self.class.closed(SampleApps.new_folder)
    ruby = File.join(folder, "ruby")
    File.symlink(RbConfig.ruby, ruby)
    made = configuration do |one|
      one.site("rack.test", self.class.probe(MadeUsers["a"].name),
               "PassengerFriendlyErrorPages On\nPassengerRuby #{RbConfig.ruby}\n")
    end
    made.set("PassengerDefaultRuby", ruby)
    with_server(made) do |server|
      page = assert_status(500, server.client.get("/", "Accept" => "*/*")).body
      assert_includes page, "user \"#{MadeUsers["a"].name}\" cannot execute \"#{ruby}\": " \
                            "Permission denied"
      assert_includes page, "PassengerDefaultRuby"
    end
  end

  # The link's owner could change the link to his own files after the check of the application's
  # owner.
  def test_another_users_link_is_a_failed_start_with_a_clear_message
    assert_status 500, client("borrowed.test").get("/")
    owner = MadeUsers["b"].uid
    link = /the link \S+ belongs to user #{owner}/
    server.log.wait_for(/event=spawn.failed .*#{link}, .*chown -h root/)
  end

  def test_another_users_link_may_be_used_if_the_user_is_configured
    assert_runs_as MadeUsers["b"].name, MadeUsers["b"].name, "lent.test"
  end

  def test_roots_link_may_be_used
    assert_runs_as MadeUsers["a"].name, MadeUsers["a"].name, "root_link.test"
  end

  def test_restart_files_are_looked_at_as_the_user
    pid = seen("hidden.test")["pid"]
    seen_by = seen("restarted.test")["pid"]
    hidden = File.realpath(File.join(root("hidden"), "tmp"))
    move(File.join(hidden, "restart.txt"))
    FileUtils.touch(File.join(root("restarted"), "tmp/restart.txt"))
    # The agent looks at all restart files together.
    eventually("a restart") { seen("restarted.test")["pid"] != seen_by }
    assert_equal pid, seen("hidden.test")["pid"]

    File.chmod(0o755, hidden)
    eventually("a restart") { seen("hidden.test")["pid"] != pid }
  end

  def test_the_environment_is_the_users_own
    user = MadeUsers["a"]
    env = seen("one.test")["env"]
    assert_equal [user.name, user.name, user.home, "/bin/bash"],
                 env.values_at("USER", "LOGNAME", "HOME", "SHELL")
    refute_includes env.keys, "APACHE_RUN_USER"
    assert_empty env.keys.grep(/\A(INVOCATION_ID|SUDO_|XDG_|MAIL\z|SHLVL\z|_\z)/)
  end

  def test_the_working_directory_is_the_applications_folder
    answer = seen("one.test")
    assert_equal [answer["pwd"]], answer["env"].values_at("PWD")
    assert_path_exists File.join(answer["pwd"], "config.ru")
  end

  def test_the_users_profile_is_read
    assert_equal "yes", seen("one.test")["env"]["FROM_PROFILE"]
    server.log.wait_for(/App \d+ output: the profile was read/)
  end

  # As nobody but the user may enter the folder, the shell is the user's when it does.
  def test_the_profile_is_read_in_the_application_s_folder
    %w[one.test own_closed.test].each do |site|
      env = seen(site)["env"]
      assert_equal [env["PWD"]], env.values_at("PROFILE_FOLDER")
    end
  end

  def test_directives_count_more_than_the_profile
    assert_equal "directive", seen("one.test")["env"]["SAMPLE_SETTING"]
  end

  def test_reading_the_profile_can_be_turned_off
    refute_includes seen("plain.test")["env"].keys, "FROM_PROFILE"
  end

  def test_started_by_an_ordinary_user_everything_runs_as_that_user_and_one_line_says_so
    made = configuration { |one| one.site("rack.test", self.class.probe("nobody")) }
    made.run_as = "daemon"
    with_server(made) do |server|
      uid = Etc.getpwnam("daemon").uid
      2.times { assert_equal [uid] * 2, server.client.json("/")["uid"] }
      assert_equal [uid], server.tree.processes.filter_map { |process| uid_of(process) }.uniq
      server.log.wait_for(/event=users.not_switched/)
      assert_equal 1, server.log.count(/event=users.not_switched/)
    end
  end

  def test_user_switching_can_be_turned_off
    made = configuration { |one| one.site("rack.test", self.class.probe(MadeUsers["a"].name)) }
    made.set("PassengerUserSwitching", "Off")
    with_server(made) do |server|
      assert_equal [Etc.getpwnam("nobody").uid] * 2, server.client.json("/")["uid"]
    end
  end

  def test_an_application_can_do_nothing_to_another_users_processes
    each_attack("/attack") do |outcome, name|
      assert_equal 7, outcome.size
      outcome.each do |what, how|
        assert_match(/\AErrno::E(PERM|ACCES)\z/, how, "#{what} of #{name}")
      end
    end
  end

  # Tries all numbers; the queue, the channels, the claims and the withdrawal marks are among them.
  def test_an_application_gets_no_descriptor_of_another_users_processes
    each_attack("/steal") do |outcome, name|
      assert_equal ["unknown, opened", "unknown, taken"], outcome.keys.sort
      outcome.values.flat_map(&:keys).each do |how|
        assert_match(/\AErrno::E(PERM|ACCES)\z/, how, name)
      end
    end
  end

  def test_an_application_gets_the_descriptors_of_its_own_processes
    outcome = client("other.test").json("/steal?#{seen('other.test')['pid']}")
    assert_operator outcome["sockets, taken"]["done"], :>=, 3,
                    "control socket, queue, a channel: #{outcome}"
    assert_operator outcome["memory files, taken"]["done"], :>=, 2, "claims and marks: #{outcome}"
    assert_operator outcome["others, opened"]["done"], :>=, 1, outcome
  end

  def test_an_application_may_have_as_many_descriptors_as_the_hard_limit_says
    soft, hard = Process.getrlimit(:NOFILE)
    made = configuration { |one| one.site("rack.test", self.class.probe(MadeUsers["a"].name)) }
    Process.setrlimit(:NOFILE, 256, hard)
    with_server(made) do |server|
      assert_equal [[hard, 1_048_576].min, hard], server.client.json("/limit")
    end
  ensure
    Process.setrlimit(:NOFILE, soft, hard)
  end

  def test_an_application_can_control_its_own_processes
    pid = seen("other.test")["pid"]
    assert_equal "done", client("other.test").json("/attack?#{pid}")["signal"],
                 "or the other test would show nothing"
  end

  def check(directives, settings = {})
    made = configuration do |one|
      settings.each { |name, value| one.set(name, value) }
      one.site("checked.test", SampleApps.written(SampleApps.saying("checked")), directives)
    end
    server = HttpdServer.new(made)
    server.check_configuration
  ensure
    server&.destroy
  end
end
