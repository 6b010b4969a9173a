# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/made_users"

# Whom applications run as, with what environment, and what one user's application can do to another's.
class UsersTest < IntegrationTest
  # Tells about its process, and does what the request says, as any application might.
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

    attack = lambda do |pid|
      files = %w[mem environ maps fd cwd].to_h do |name|
        path = "/proc/#{pid}/#{name}"
        [name, attempt { name == "fd" ? Dir.children(path) : name == "cwd" ? File.readlink(path) : File.open(path, "rb") { |file| file.read(1) } }]
      end
      pidfd = syscall(PIDFD_OPEN, pid, 0)
      files.merge("signal" => attempt { Process.kill(0, pid) },
                  "getfd" => attempt { syscall(PIDFD_GETFD, pidfd, 3, 0) })
    end

    run(lambda do |env|
      answer =
        case env["PATH_INFO"]
        when "/attack" then attack.call(env["QUERY_STRING"].to_i)
        else { "uid" => [Process.uid, Process.euid], "gid" => [Process.gid, Process.egid], "groups" => Process.groups.sort,
               "pid" => Process.pid, "pwd" => Dir.pwd, "env" => ENV.to_h }
        end
      [200, { "Content-Type" => "application/json" }, [JSON.generate(answer)]]
    end)
  RUBY

  if TestEnvironment.root?
    serve do |made|
      one, other = %w[a b].map { |key| MadeUsers[key] }
      MadeUsers.run("usermod", "--append", "--groups", "daemon", one.name)
      File.write(File.join(one.home, ".profile"), <<~PROFILE)
        export FROM_PROFILE=yes SAMPLE_SETTING=profile
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
      folder = closed(probe(one.name))
      made.site("closed.test", nil, "PassengerAppRoot #{folder}\nPassengerUser #{other.name}\n",
                document_root: File.join(probe(other.name), "public"))
    end
  end

  class << self
    # Belongs to the owner and the group, or the owner's.
    def probe(owner, group = nil)
      SampleApps.written(PROBE).tap { |folder| FileUtils.chown_R(owner, group || group_of(owner), folder) }
    end

    # A folder that only its owner may enter.
    def closed(folder)
      File.chmod(0o700, folder)
      folder
    end

    private

    def group_of(owner)
      owner.is_a?(String) ? Etc.getpwnam(owner).gid : owner
    end
  end

  def setup
    needs_root("applications run as other users")
  end

  def seen(site)
    client(site).json("/")
  end

  # The ids of a process that is this user's for good, in this group.
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

  def test_what_belongs_to_root_runs_as_the_default_user
    assert_runs_as "nobody", "nogroup", "root.test"
  end

  def test_what_belongs_to_an_unknown_user_runs_as_the_default_user
    assert_runs_as "nobody", "nogroup", "unknown.test"
  end

  def test_the_user_may_be_named
    assert_runs_as MadeUsers["b"].name, MadeUsers["b"].name, "named.test"
  end

  def test_the_group_may_be_named
    assert_runs_as MadeUsers["a"].name, "daemon", "group.test"
  end

  def test_the_group_may_be_that_of_the_startup_file
    assert_runs_as MadeUsers["a"].name, "games", "file_group.test"
  end

  def test_the_default_user_takes_the_place_of_one_that_does_not_exist_and_the_log_says_so
    assert_runs_as "nobody", "nogroup", "wrong.test"
    assert_match(/event=spawn.user_replaced .*no-such-user.* does not exist, so .*nobody/, server.log.text)
  end

  def test_a_folder_that_the_user_may_not_enter_is_a_failed_start_that_says_so
    answer = client("closed.test").get("/")
    assert_status 500, answer
    assert_match(/report=.*(Permission denied|EACCES)/, server.log.text)
    refute_match(/EACCES|Permission/, answer.body, "the page is for everybody")
  end

  def test_the_environment_is_the_users_own
    user = MadeUsers["a"]
    env = seen("one.test")["env"]
    assert_equal [user.name, user.name, user.home, "/bin/bash"], env.values_at("USER", "LOGNAME", "HOME", "SHELL")
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
    assert_match(/App \d+ output: the profile was read/, server.log.text)
  end

  def test_directives_count_more_than_the_profile
    assert_equal "directive", seen("one.test")["env"]["SAMPLE_SETTING"]
  end

  def test_the_profile_need_not_be_read
    refute_includes seen("plain.test")["env"].keys, "FROM_PROFILE"
  end

  def test_started_by_an_ordinary_user_everything_runs_as_that_user_and_one_line_says_so
    made = configuration { |one| one.site("rack.test", self.class.probe("nobody")) }
    made.run_as = "daemon"
    with_server(made) do |server|
      uid = Etc.getpwnam("daemon").uid
      2.times { assert_equal [uid] * 2, server.client.json("/")["uid"] }
      assert_equal [uid], server.tree.processes.map { |process| File.stat("/proc/#{process.pid}").uid }.uniq
      assert_equal 1, server.log.count(/event=users.not_switched/)
    end
  end

  def test_users_need_not_be_switched
    made = configuration { |one| one.site("rack.test", self.class.probe(MadeUsers["a"].name)) }
    made.set("PassengerUserSwitching", "Off")
    with_server(made) do |server|
      assert_equal [Etc.getpwnam("nobody").uid] * 2, server.client.json("/")["uid"]
    end
  end

  def test_an_application_can_do_nothing_to_another_users_processes
    # The instance, its preloader, the spawn server, the agent's pool process and watchdog.
    line = [ProcessInfo.read(seen("one.test")["pid"])]
    line << ProcessInfo.read(line.last.ppid) until line.last.pid == server.pid
    line.each do |process|
      outcome = client("other.test").json("/attack?#{process.pid}")
      assert_equal 7, outcome.size
      outcome.each { |what, how| assert_match(/\AErrno::E(PERM|ACCES)\z/, how, "#{what} of #{process.command_line}") }
    end
  end

  def test_an_application_can_do_all_that_to_its_own_processes
    pid = seen("other.test")["pid"]
    assert_equal "done", client("other.test").json("/attack?#{pid}")["signal"], "or the other test would show nothing"
  end
end
