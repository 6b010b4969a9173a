# frozen_string_literal: true

require "etc"
require "tmpdir"

require_relative "eventually"

# A control group that gives the processes of a host a part of the processors' time, as the kernel
# does for a container: cpu.max of cgroup v2, or the quota of v1. Whatever else the machine does,
# the host gets this part. With v1 there is a folder with what v2 would tell in a container.
class CpuGroup
  # Short, so that the host is slow, and does not stand still for most of the time.
  PERIOD = 10_000

  # `hierarchy`: a folder. `share`: the file for the part that a busy machine gives, and its most.
  Kernel = Struct.new(:hierarchy, :quota, :period, :share) do
    def usable?
      folder = File.join(hierarchy, "passenger-test-#{Process.pid}-probe")
      Dir.mkdir(folder)
      File.exist?(File.join(folder, quota))
    rescue SystemCallError
      false
    ensure
      Dir.rmdir(folder) if File.directory?(folder)
    end
  end

  V2 = Kernel.new("/sys/fs/cgroup", "cpu.max", nil, ["cpu.weight", 10_000])
  V1 = Kernel.new("/sys/fs/cgroup/cpu", "cpu.cfs_quota_us", "cpu.cfs_period_us",
                  ["cpu.shares", 100_000])

  class << self
    # Those that are there.
    def made
      @made ||= []
    end

    # Nil: this machine has no such groups, or this process may not make them. With
    # PASSENGER_TEST_BRAKE=signals a test does without.
    def kernel
      return if ENV["PASSENGER_TEST_BRAKE"] == "signals"

      @kernel ||= [V2, V1].find(&:usable?)
    end
  end

  # V1 counts the time in a hierarchy of its own.
  ACCOUNTS = "/sys/fs/cgroup/cpuacct"
  EVERY = 0.02

  # Nil: the kernel has cgroup v2. Else the folder.
  attr_reader :view

  # `scratch`: a folder for the view.
  def initialize(name, scratch)
    self.class.made << self
    @kernel = self.class.kernel
    @name = "passenger-test-#{Process.pid}-#{name}"
    @folders = (@kernel == V1 ? [V1.hierarchy, ACCOUNTS] : [V2.hierarchy]).map do |hierarchy|
      File.join(hierarchy, @name).tap { |folder| Dir.mkdir(folder) }
    end
    write(*@kernel.share)
    limit(Etc.nprocessors)
    show(scratch) if @kernel == V1
  end

  # What they start from now on is in the group, too.
  def take(pids)
    pids.each { |pid| @folders.each { |folder| move(pid, folder) } }
  end

  # `cores`: processors.
  def limit(cores)
    @time = (cores * PERIOD).round
    write(@kernel.period, PERIOD) if @kernel.period
    write(@kernel.quota, @kernel.period ? @time : "#{@time} #{PERIOD}")
  end

  # The processes go to the group above.
  def remove
    @over = true
    @shower&.join
    @folders.each { |folder| empty(folder) }
    self.class.made.delete(self)
  end

  private

  def write(file, value)
    File.write(File.join(@folders.first, file), value)
  end

  def empty(folder)
    Eventually.eventually("an empty group") do
      pids = File.readlines(File.join(folder, "cgroup.procs")).map(&:to_i)
      pids.each { |pid| move(pid, File.dirname(folder)) }
      pids.empty?
    end
    # A process that has ended may be counted for a moment.
    Eventually.eventually("the end of the group") { Dir.rmdir(folder) }
  end

  def move(pid, folder)
    File.write(File.join(folder, "cgroup.procs"), pid)
  rescue Errno::ESRCH
    # It has ended.
  end

  # Keeps the view.
  def show(scratch)
    @view = Dir.mktmpdir("view-", scratch)
    File.chmod(0o755, @view)
    look
    @shower = Thread.new do
      until @over
        look
        sleep EVERY
      end
    end
  end

  def look
    used = Integer(File.read(File.join(@folders.last, "cpuacct.usage"))) / 1_000
    replace("cpu.max", "#{@time} #{PERIOD}\n")
    replace("cpu.stat", "usage_usec #{used}\n#{File.read(File.join(@folders.first, 'cpu.stat'))}")
  end

  def replace(file, text)
    path = File.join(@view, file)
    File.write("#{path}.new", text)
    File.rename("#{path}.new", path)
  end
end

at_exit { CpuGroup.made.dup.each(&:remove) }
