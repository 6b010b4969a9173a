# frozen_string_literal: true

require_relative "support/control_client"
require_relative "support/integration_test"

# The pool process gets a thousandth of the processors, as on a machine with far too much to do.
class ProcessorShortageTest < IntegrationTest
  POOL = /passenger-agent\S* pool/.freeze
  # The controller of the first version of control groups, and of the second one, where the machine
  # has it.
  V1 = "/sys/fs/cgroup/cpu"
  V2 = "/sys/fs/cgroup"

  serve do |made|
    made.set("PassengerAgentTimeout", 1)
    made.site("rack.test", SampleApps.rack)
  end

  def test_a_pool_process_that_is_ready_to_run_and_gets_no_time_is_not_killed
    skip "needs a controller of processor time" unless limits
    assert_status 200, client.get("/hello")
    pool = the_pool
    starving(pool.pid) { server.log.wait_for(/event=pool\.starved pid=#{pool.pid} /) }
    assert_status 200, client.get("/hello")
    assert_equal pool.identity, the_pool.identity
    refute_match(/event=pool\.killed/, server.log.text)
  end

  private

  def the_pool
    eventually("one pool process") { (all = server.tree.matching(POOL)).one? && all.first }
  end

  # The control group's files for a millisecond a second, and what to write; nil: there are none.
  def limits
    if File.writable?(File.join(V1, "cpu.cfs_quota_us"))
      [V1, { "cpu.cfs_period_us" => "1000000", "cpu.cfs_quota_us" => "1000" }]
    elsif readable_words(File.join(V2, "cgroup.subtree_control")).include?("cpu")
      [V2, { "cpu.max" => "1000 1000000" }]
    end
  end

  def readable_words(file)
    TestEnvironment.root? && File.exist?(file) ? File.read(file).split : []
  end

  # The status keeps the process busy meanwhile. It returns to the group that it came from.
  def starving(pid)
    asking = Thread.new { ask_for_the_status until Thread.current[:over] }
    hierarchy, values = limits
    before = File.join(hierarchy, group_of(pid, hierarchy))
    group = File.join(hierarchy, "passenger-test.#{Process.pid}").tap { |path| Dir.mkdir(path) }
    values.each { |file, value| File.write(File.join(group, file), value) }
    move(pid, group)
    yield
  ensure
    move(pid, before)
    asking[:over] = true
    asking.join
    eventually("the group is empty") { Dir.rmdir(group) }
  end

  def move(pid, group)
    File.write(File.join(group, "cgroup.procs"), pid.to_s)
  rescue Errno::ESRCH
    nil # It was killed.
  end

  # From /proc/PID/cgroup: "N:cpu:/path", or "0::/path".
  def group_of(pid, hierarchy)
    name = hierarchy == V1 ? "cpu" : ""
    line = File.readlines("/proc/#{pid}/cgroup", chomp: true).find do |one|
      one.split(":", 3)[1].split(",").include?(name) || one.split(":", 3)[1] == name
    end
    line.split(":", 3)[2]
  end

  def ask_for_the_status
    ControlClient.in(File.join(server.folder, "run")).status
  rescue StandardError
    nil # The process is slow.
  end
end
