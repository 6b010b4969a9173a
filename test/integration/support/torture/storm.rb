# frozen_string_literal: true

require "fileutils"

require_relative "../eventually"

# Kills and stops processes of a running server at random: instances, httpd's children, the pool
# process. Keeps a list of its kills.
class Storm
  INSTANCE = /\APassenger RubyApp/.freeze
  POOL = /passenger-agent\S* pool/.freeze
  ANCHOR = /passenger-agent\S* anchor/.freeze
  WATCHDOG = /passenger-agent\S* watchdog/.freeze

  # The process died between `from` and `at`. `ports`: for one of httpd's children, the ports of the
  # clients that had a connection to it.
  Death = Struct.new(:kind, :pid, :from, :at, :ports, keyword_init: true)

  PRELOADER = /\APassenger AppPreloader/.freeze

  # The frequency of each, in percent. The pool process has a schedule of its own: one that dies
  # young several times is replaced after ever longer pauses.
  ACTIONS = [[:kill_instance, 40], [:kill_child, 18], [:stop_instance, 32], [:kill_preloader, 3],
             [:kill_spawn_server, 2],
             [:deploy, 3], [:reload, 2]].freeze
  PAUSE = (0.02..0.35).freeze
  STOPPED = (0.02..1.5).freeze
  REST_OF_THE_POOL = (10.5..13.0).freeze
  # httpd starts one child in a second, then two, …
  CHILDREN_LEFT = 4

  attr_reader :deaths

  def initialize(server, random)
    @server = server
    @random = random
    @deaths = []
    @stopped = {}
  end

  def rage(seconds, pool: true)
    ending = now + seconds
    pool_dies = pool ? now + @random.rand(seconds * 0.2..seconds * 0.6) : Float::INFINITY
    while now < ending
      sleep @random.rand(PAUSE)
      continue_due
      strike(choice)
      if now > pool_dies
        kill_pool
        pool_dies = now + @random.rand(REST_OF_THE_POOL)
      end
    end
  ensure
    @stopped.each_key { |pid| signal(:CONT, pid) }
  end

  def count(kind)
    deaths.count { |death| death.kind == kind }
  end

  # Not random actions. The anchor starts another watchdog at once, and the next one after a pause;
  # so does httpd with an agent whose anchor has died.
  def kill_watchdog
    kill(:watchdog, find(WATCHDOG).pid)
  end

  def kill_anchor
    kill(:anchor, find(ANCHOR).pid)
  end

  private

  def now
    Eventually.monotonic
  end

  def choice
    dice = @random.rand(100)
    ACTIONS.find { |_, share| (dice -= share).negative? }.first
  end

  def strike(action)
    send(action)
  rescue Errno::ESRCH
    nil # The process ended earlier.
  end

  def processes
    @server.tree.descending
  end

  def instances
    processes.select { |process| process.command_line.match?(INSTANCE) }
  end

  def kill_instance
    instance = instances.sample(random: @random) or return
    kill(:instance, instance.pid)
  end

  def kill_pool
    pool = find(POOL) or return
    kill(:pool, pool.pid)
  end

  def find(pattern)
    processes.find { |process| process.command_line.match?(pattern) }
  end

  # If no instance serves, the death of a preloader counts as a failed start.
  def kill_preloader
    preloader = find(PRELOADER) or return
    kill(:preloader, preloader.pid) if instances.any?
  end

  def kill_spawn_server
    spawn_server = @server.tree.spawn_servers.first or return
    kill(:spawn_server, spawn_server.pid) if instances.any?
  end

  def deploy
    FileUtils.touch(File.join(@server.configuration.sites.first.root, "tmp/restart.txt"))
    note(:deploy)
  end

  def reload
    Process.kill(:USR1, @server.pid)
    note(:reload)
  end

  # The child is stopped first, so that it accepts no connection after the count of its connections.
  def kill_child
    children = processes.select do |process|
      process.ppid == @server.pid && process.command_line.match?(/apache2|httpd/)
    end
    return if children.size <= CHILDREN_LEFT

    child = children.sample(random: @random)
    signal(:STOP, child.pid)
    Eventually.eventually("a stopped child") { ProcessInfo.read(child.pid)&.state == "T" }
    kill(:child, child.pid, ports_of(child))
  end

  def stop_instance
    instance = instances.reject { |process| @stopped.key?(process.pid) }.sample(random: @random) or
      return
    signal(:STOP, instance.pid)
    @stopped[instance.pid] = now + @random.rand(STOPPED)
  end

  def continue_due
    due, @stopped = @stopped.partition { |_, at| at <= now }.map(&:to_h)
    due.each_key { |pid| signal(:CONT, pid) }
  end

  def kill(kind, pid, ports = [])
    from = now
    Process.kill(:KILL, pid)
    note(kind, pid, from, ports)
  end

  def note(kind, pid = 0, from = now, ports = [])
    @deaths << Death.new(kind: kind, pid: pid, from: from, at: now, ports: ports)
  end

  def signal(name, pid)
    Process.kill(name, pid)
  rescue Errno::ESRCH
    nil
  end

  # The remote ports of the process's TCP connections.
  def ports_of(process)
    sockets = process.descriptors.values.grep(/\Asocket:/).map { |target| target[/\d+/] }
    File.readlines("/proc/net/tcp").drop(1).filter_map do |line|
      fields = line.split
      fields[2].split(":").last.hex if sockets.include?(fields[9])
    end
  end
end
