# frozen_string_literal: true

require_relative "support/control_client"
require_relative "support/hostile_neighbour"

# Processes of an application name the pid of another user's instance as their own or their child's,
# when they start and when the next pool process takes them over. The agent believes the kernel
# only.
class AttackLiesTest < IntegrationTest
  include HostileNeighbour

  SITES = %w[smart.test direct.test].freeze
  POOL = /passenger-agent\S* pool/.freeze

  if TestEnvironment.root?
    serve do |made|
      made.set("PassengerMaxPoolSize", 10)
      SITES.each do |site|
        made.site(site, HostileNeighbour.app_of("b", "hostile_app"), "PassengerMinInstances 1\n" \
                  "PassengerMaxInstances 1\nPassengerSpawnMethod #{site[/\w+/]}\n")
      end
      made.site("other.test", HostileNeighbour.app_of("a", "rack_app"),
                "PassengerMinInstances 2\nPassengerMaxInstances 2\n")
    end
  end

  def setup
    skip "needs root" unless TestEnvironment.root?
    write_profile
    tell_the_truth
    assert_status 200, other.get("/hello")
    eventually("all instances") { others.size == 2 }
    @others = others
  end

  # The other application's instances are those of before, and each instance is its application's.
  def teardown
    return unless passed? && @others

    tell_the_truth
    assert_equal @others, others
    # Of an application without a request, the next pool process does not know the user.
    status.fetch("apps").reject { |app| app.fetch("state") == "down" }.each do |app|
      # An instance may have ended meanwhile.
      processes = app.fetch("instances").filter_map { |one| ProcessInfo.read(one.fetch("pid")) }
      assert_empty processes.map(&:uid) - [app.fetch("uid")]
    end
  end

  def test_a_foreign_pid_in_hello_means_nothing
    SITES.each do |site|
      assert_lie(site, "hello") { refute_includes @others, pid_of(site) }
    end
  end

  def test_credentials_of_others_are_refused_by_the_kernel
    SITES.each do |site|
      assert_lie(site, "credentials", /\Acredentials 0 sent/) do
        refute_includes @others, pid_of(site)
      end
    end
  end

  def test_another_process_cannot_say_hello
    SITES.each do |site|
      assert_lie(site, "child") do
        server.log.wait_for(/process \d+ answers instead of process \d+/, from: @log_position)
      end
    end
  end

  def test_a_process_that_a_preloader_names_as_its_fork_is_neither_served_nor_killed
    assert_lie("smart.test", "forked") do
      server.log.wait_for(/is not the process that was started: .*instead of/, from: @log_position)
    end
  end

  def test_an_instance_that_lies_to_the_next_pool_process_is_not_taken_over
    SITES.each do |site|
      pid = nil
      assert_unharmed(other, "/hello") do
        pid = pid_of(site)
        File.write(lie, "ready #{@others.first}")
        kill_pool
        eventually("the refusal") do
          # The old queue may still have answered a request.
          client(site).get("/")
          server.log.text(@log_position).match?(/event=instance\.not_adopted .* pid=#{pid} /)
        end
        tell_the_truth
      end
      eventually("the end of the instance") { !ProcessInfo.read(pid)&.alive? }
    end
  end

  private

  # That of a process that serves the site.
  def pid_of(site)
    pid = nil
    eventually("an answer") do
      answer = client(site).get("/")
      pid = answer.body.to_i if answer.code == "200"
    end
    pid
  end

  # So each Ruby of the user lies from its begin.
  def write_profile
    program = File.join(root("smart.test"), "lies.rb")
    File.write(File.join(MadeUsers["b"].home, ".profile"),
               "export LIES=#{lie} RUBYOPT=-r#{program}\n")
  end

  def lie
    File.join(MadeUsers["b"].home, "lie")
  end

  def tell_the_truth
    FileUtils.rm_f([lie, told])
  end

  def told
    "#{lie}.told"
  end

  # The application starts anew, and lies. The block waits for the effect.
  def assert_lie(site, what, expected = /\A#{what}/)
    assert_unharmed(other, "/hello") do
      FileUtils.rm_f(told)
      File.write(lie, "#{what} #{@others.first}")
      restart(site)
      client(site).get("/")
      eventually("the lie") { File.exist?(told) && File.size(told).positive? }
      assert_match expected, File.read(told)
      yield
    end
    tell_the_truth
    restart(site)
    refute_includes @others, pid_of(site)
  end

  def restart(site)
    folder = File.join(root(site), "tmp")
    FileUtils.mkdir_p(folder)
    FileUtils.touch(File.join(folder, "restart.txt"))
  end

  # Returns when another one is there.
  def kill_pool
    old = server.tree.matching(POOL).first
    Process.kill(:KILL, old.pid)
    eventually("another pool process") do
      server.tree.matching(POOL).any? { |one| one.identity != old.identity }
    end
  end

  def status
    ControlClient.in(File.dirname(control, 2)).status
  end
end
