# frozen_string_literal: true

require "fiddle"
require "open3"

require_relative "environment"

# A network of machines: network namespaces of this kernel, each with an address of its own, and a
# bridge between them. The bridge is in a namespace, too, with an address for clients. Needs root
# and ip(8).
class Network
  class Failure < StandardError; end
  # The kernel or the rights of this process do not allow namespaces, bridges or pairs of links.
  class NotAllowed < Failure; end

  REFUSAL = /not permitted|not supported|denied|Unknown device type|Read-only/.freeze

  SETNS = Fiddle::Function.new(Fiddle::Handle::DEFAULT["setns"],
                               [Fiddle::TYPE_INT, Fiddle::TYPE_INT], Fiddle::TYPE_INT)
  CLONE_NEWNET = 0x40000000
  # The machine with the bridge, where clients are.
  CLIENTS = "clients"

  class << self
    # Those that are there.
    def made
      @made ||= []
    end

    # The same in the network of a process.
    def of(pid, &block)
      enter("/proc/#{pid}/ns/net", &block)
    end

    # `path` of a network namespace.
    def enter(path)
      File.open("/proc/thread-self/ns/net") do |here|
        File.open(path) { |there| set(there) }
        yield
      ensure
        set(here)
      end
    end

    private

    def set(namespace)
      return if SETNS.call(namespace.fileno, CLONE_NEWNET).zero?

      raise SystemCallError.new("setns", Fiddle.last_error)
    end
  end

  attr_reader :addresses

  # `addresses`: of the machines by name, all in one network, with the length of its prefix.
  def initialize(clients, addresses, length = 24)
    @clients = clients
    @addresses = addresses
    @length = length
    @namespaces = {}
  end

  def make
    self.class.made << self
    add(CLIENTS)
    on(CLIENTS, "link add name bridge type bridge")
    on(CLIENTS, "address add #{@clients}/#{@length} dev bridge")
    on(CLIENTS, "link set dev bridge up")
    @addresses.each { |name, address| join(name, address) }
    self
  rescue StandardError
    remove
    raise
  end

  # Processes in a namespace keep it, without its name.
  def remove
    ip("netns delete #{@namespaces.shift.last}") until @namespaces.empty?
    self.class.made.delete(self)
  end

  # What the block connects, binds or spawns is on that machine. It is this thread's affair alone.
  def enter(name, &block)
    self.class.enter("/run/netns/#{@namespaces.fetch(name)}", &block)
  end

  # Pulls the cable of a machine: nothing reaches it, and it reaches nothing.
  def cut(name)
    on(CLIENTS, "link set dev #{name} down")
  end

  def mend(name)
    on(CLIENTS, "link set dev #{name} up")
  end

  private

  def add(name)
    namespace = "passenger-test-#{Process.pid}-#{name}"
    ip("netns add #{namespace}")
    @namespaces[name] = namespace
    on(name, "link set lo up")
  end

  def join(name, address)
    add(name)
    on(CLIENTS, "link add name #{name} type veth peer name eth0 netns #{@namespaces[name]}")
    on(CLIENTS, "link set dev #{name} master bridge up")
    on(name, "address add #{address}/#{@length} dev eth0")
    on(name, "link set eth0 up")
  end

  def on(name, words)
    ip("-n #{@namespaces.fetch(name)} #{words}")
  end

  def ip(words)
    output, status = Open3.capture2e(TestEnvironment.find_command("ip"), *words.split)
    return if status.success?

    raise output.match?(REFUSAL) ? NotAllowed : Failure, "ip #{words}: #{output.strip}"
  end
end

at_exit { Network.made.dup.each(&:remove) }
