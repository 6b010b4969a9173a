# frozen_string_literal: true

require "csv"
require "socket"

require_relative "command_runner"
require_relative "environment"
require_relative "unused_port"

# HAProxy with doc/scale-out/haproxy.cfg, whose hosts are servers of a test. The test that starts it
# stops it.
class Haproxy
  include CommandRunner

  EXAMPLE = File.join(TestEnvironment::SOURCE_DIR, "doc/scale-out/haproxy.cfg")
  # The hosts of the example, with their addresses.
  ADDRESSES = { "a" => "192.0.2.1:80", "b" => "192.0.2.2:80", "c" => "192.0.2.3:80" }.freeze

  attr_reader :pid
  # The frontend's.
  attr_reader :port

  # Nil: HAProxy is not installed.
  def self.binary
    TestEnvironment.find_command("haproxy")
  end

  # Its files are in `folder`. `servers`: by the names of the example's hosts.
  def initialize(folder, servers)
    @folder = folder
    @servers = servers
    @socket = File.join(folder, "haproxy.sock")
    @port = UnusedPort.find
  end

  # A block gets the text of the example, with this test's ports, and returns another one.
  def start
    @agents = @servers.transform_values { |server| agent_of(server) }
    text = example
    text = yield text if block_given?
    file = File.join(@folder, "haproxy.cfg")
    File.write(file, text)
    @pid = spawn(self.class.binary, "-f", file, %i[out err] => File.join(@folder, "haproxy.log"))
    self
  end

  def stop
    Process.kill(:TERM, @pid)
    Process.wait(@pid)
    @agents.each_value(&:close)
  end

  # From now on the host does not answer the agent-check.
  def silence(name)
    @agents.fetch(name).close
  end

  # What HAProxy knows of the host: its line of `show stat`.
  def host(name)
    text = UNIXSocket.open(@socket) do |socket|
      socket.puts "show stat"
      socket.read
    end
    CSV.parse(text.delete_prefix("# "), headers: true)
       .find { |line| line["pxname"] == "hosts" && line["svname"] == name }
  end

  def up?(name)
    host(name)["status"] == "UP"
  end

  def down?(name)
    host(name)["status"].start_with?("DOWN")
  end

  def weight(name)
    Integer(host(name)["weight"])
  end

  # Replaces a text of the example, which must have it.
  def self.substitute(text, from, to)
    raise "haproxy.cfg has no #{from}" unless text.include?(from)

    text.gsub(from) { to }
  end

  private

  def example
    text = self.class.substitute(File.read(EXAMPLE), "/run/haproxy/admin.sock", @socket)
    text = self.class.substitute(text, "0.0.0.0:80", "127.0.0.1:#{port}")
    text = self.class.substitute(text, " agent-port 7710", "")
    ADDRESSES.each do |name, address|
      line = text[/^ *server #{name} #{address}.*\n/] or raise "haproxy.cfg has no host #{name}"
      text = text.sub(line) { host_line(name, line.sub(address, "127.0.0.1:%d")) }
    end
    text
  end

  def host_line(name, line)
    return "" unless @servers.key?(name)

    "#{format(line.chomp, @servers[name].port)} agent-port #{@agents[name].port}\n"
  end

  def agent_of(server)
    AgentPort.new { |connection| answer_agent_check(server, connection) }
  end

  def answer_agent_check(server, connection)
    Process.wait(spawn(environment(server), *agent_check(server), out: connection))
  end

  def agent_check(_server)
    [program(CONFIG), "agent-check"]
  end

  # Calls the block for each connection, as systemd starts a command: one after the other.
  class AgentPort
    attr_reader :port

    def initialize(address = "127.0.0.1", port = 0)
      @listener = TCPServer.new(address, port)
      @port = @listener.addr[1]
      @thread = Thread.new do
        loop do
          connection = @listener.accept
          yield connection
          connection.close
        end
      rescue IOError
        # It was closed.
      end
    end

    def close
      @listener.close
      @thread.join
    end
  end
end
