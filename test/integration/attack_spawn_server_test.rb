# frozen_string_literal: true

require_relative "../../lib/passenger/wire/frame"
require_relative "support/hostile_neighbour"

# A user's spawn server is taken over, and lies to the agent: about pids of root and of another
# user, about its processes, and in frames that are none. The rights process and the pool process
# do nothing to foreign processes for it, and other users' applications are served meanwhile.
class AttackSpawnServerTest < IntegrationTest
  include HostileNeighbour

  HOSTILE = File.join(TestEnvironment::STUB_DIR, "hostile_app/spawn_server.rb")
  AGENT = /passenger-agent\S* (anchor|watchdog|rights|pool)/.freeze
  # Runs the hostile program for the user "b".
  WRAPPER = <<~SH
    #!/bin/sh
    case "$2,$3" in
    *spawn_server.rb,%<user>s) shift; exec %<ruby>s %<hostile>s "$@" ;;
    esac
    exec %<ruby>s "$@"
  SH

  if TestEnvironment.root?
    PLACE = TestEnvironment.hand_over(SampleApps.new_folder, MadeUsers["b"].name)
    File.chmod(0o755, PLACE)
    PROGRAM = File.join(PLACE, "spawn_server.rb")
    FileUtils.cp(HOSTILE, PROGRAM)
    RUBY = File.join(PLACE, "ruby")
    File.write(RUBY, format(WRAPPER, user: MadeUsers["b"].name, ruby: RbConfig.ruby,
                                     hostile: PROGRAM))
    File.chmod(0o755, RUBY)

    serve do |made|
      made.set("PassengerDefaultRuby", RUBY)
      made.set("PassengerMaxPoolSize", 10)
      made.site("attacker.test", HostileNeighbour.app_of("b", "rack_app"))
      made.site("other.test", HostileNeighbour.app_of("a", "rack_app"),
                "PassengerMinInstances 2\nPassengerMaxInstances 2\n")
    end
  end

  def setup
    skip "needs root" unless TestEnvironment.root?
    tell_the_truth
    assert_status 200, other.get("/hello")
    eventually("all instances") { others.size == 2 }
    eventually("an answer") { attacker.get("/hello").code == "200" }
    @before = bystanders
  end

  # After each lie the agent's processes and the other user's are those of before. The attacker's
  # application starts once its spawn server does what it should.
  def teardown
    return unless passed? && @before

    assert_equal @before, bystanders
    tell_the_truth
    restart
    eventually("an answer") { attacker.get("/hello").code == "200" }
    # The instance that has answered may have ended, as one of the old version.
    found = eventually("an instance") { attackers.then { |all| all if all.any? } }
    assert_equal [MadeUsers["b"].uid], found.map(&:uid).uniq
  end

  def test_pids_of_others_are_no_new_process
    foreign = [others.first, *server.tree.matching(AGENT).map(&:pid), server.pid]
    assert_unharmed(other, "/hello") do
      foreign.each do |pid|
        # A keeper that has ended makes no other process its child.
        [ProcessInfo.read(pid).ppid, gone].each do |keeper|
          assert_lie("started #{pid} #{keeper}", /\Astarted/)
          server.log.wait_for(/event=spawn\.failed .* error=.*\b#{pid} /, from: @position)
        end
      end
    end
  end

  def test_numbers_that_are_no_pid_are_refused
    assert_unharmed(other, "/hello") do
      %w[0 1 -1 99999999999999999999 root].each do |pid|
        assert_lie("started #{pid} 1", /\Astarted/)
        server.log.wait_for(/event=spawn\.failed/, from: @position)
      end
    end
  end

  def test_a_process_of_its_user_that_the_agent_has_not_started_is_refused
    as_attacker do |outside, socket|
      before = confines(outside)
      assert_unharmed(other, "/hello") do
        assert_lie("started #{outside} #{gone}", /\Astarted/)
        server.log.wait_for(/event=spawn\.failed .* error=.*process #{outside} /, from: @position)
        next unless groups?

        assert_lie("gate #{socket}", /\Agate/)
        server.log.wait_for(/event=cgroups\.not_placed .*process #{outside} /, from: @position)
      end
      assert_equal before, confines(outside)
      assert ProcessInfo.read(outside).alive?
    end
  end

  def test_the_kernel_refuses_credentials_of_others
    skip "not run: there are no control groups" unless groups?
    assert_unharmed(other, "/hello") do
      assert_lie("credentials #{others.first}", /\Acredentials 0 sent/)
    end
  end

  def test_a_wait_status_that_is_none_is_no_harm
    assert_unharmed(other, "/hello") { assert_lie("status", /\Astatus/) }
  end

  def test_descriptors_and_frames_that_are_none_end_the_spawn_server_at_most
    assert_unharmed(other, "/hello") do
      assert_lie("descriptor", /\Adescriptor/)
      assert_lie("garbage", /\Agarbage/)
    end
  end

  def test_another_process_does_not_answer_for_the_spawn_server
    assert_unharmed(other, "/hello") do
      spawn_servers.each { |pid| Process.kill(:KILL, pid) }
      assert_lie("hello", /\Ahello/)
      server.log.wait_for(/another process answers on its control socket/, from: @position)
    end
  end

  private

  def attackers
    server.tree.matching(/RubyApp: #{root("attacker.test")}/)
  end

  # The application starts anew, and its spawn server lies.
  def assert_lie(lie, told)
    FileUtils.rm_f("#{lies}.told")
    File.write(lies, lie)
    @position = server.log.position
    restart
    attacker.get("/hello")
    eventually("the lie") { File.size?("#{lies}.told") }
    assert_match told, File.read("#{lies}.told")
  end

  def lies
    File.join(PLACE, "LIES")
  end

  def tell_the_truth
    FileUtils.rm_f([lies, "#{lies}.told"])
  end

  def restart
    folder = File.join(root("attacker.test"), "tmp")
    FileUtils.mkdir_p(folder)
    FileUtils.touch(File.join(folder, "restart.txt"))
  end

  # A pid that no process has.
  def gone
    Process.wait(fork { exit! })
    $?.pid
  end

  def spawn_servers
    server.tree.spawn_servers.select { |one| one.uid == MadeUsers["b"].uid }.map(&:pid)
  end

  # What the attacker must not reach.
  def bystanders
    [server.pid, *server.tree.matching(AGENT).map(&:pid).sort, *others]
  end

  def groups?
    server.log.text.include?("event=cgroups.on")
  end

  # Yields the pid of a process of the attacker's user that is no descendant of the agent, and the
  # socket at which it takes a gate. It says FORKED there, and writes back what it reads.
  def as_attacker
    socket = File.join(PLACE, "outside")
    FileUtils.rm_f(socket)
    pid = fork do
      Process::Sys.setgid(MadeUsers["b"].gid)
      Process.groups = []
      Process::Sys.setuid(MadeUsers["b"].uid)
      take_gate(UNIXServer.new(socket))
    ensure
      exit!
    end
    eventually("its socket") { File.socket?(socket) }
    yield pid, socket
  ensure
    Process.kill(:KILL, pid)
    Process.wait(pid)
  end

  def take_gate(server)
    loop do
      client = server.accept
      gate = client.recv_io(UNIXSocket)
      gate.sendmsg(PhusionPassenger::Frame.new(PhusionPassenger::Frame::Spawn::FORKED).encode)
      client.write(gate.wait_readable(20) ? gate.recv(100).inspect : "nothing")
      [client, gate].each(&:close)
    end
  end

  # The control group and the limit of processes.
  def confines(pid)
    [File.read("/proc/#{pid}/cgroup"), File.read("/proc/#{pid}/limits")[/^Max processes.*/]]
  end
end
