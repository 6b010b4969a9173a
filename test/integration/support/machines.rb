# frozen_string_literal: true

require_relative "haproxy"
require_relative "httpd_server"
require_relative "network"
require_relative "sample_apps"

# The example of doc/scale-out as it stands there, with its addresses and ports: HAProxy and three
# hosts with the Rails application, each in a network namespace of its own.
class Machines
  BALANCER = "192.0.2.10"
  CLIENTS = "192.0.2.254"
  SITE = "rails.test"
  SETTINGS = <<~CONF
    PassengerMinInstances 2
    PassengerMaxInstances 2
    PassengerThreadCount 4
    PassengerRequestQueueOverflowStatusCode 425
    SetEnv SECRET_KEY_BASE #{SampleApps::SECRET}
    # The application logs the beginning of each request.
    SetEnv RAILS_LOG_LEVEL info
    <Location /health>
      SetHandler passenger-health
    </Location>
  CONF

  # HAProxy on a machine of its own, which asks the hosts at the documented port.
  class Balancer < Haproxy
    PORT = 80
    AGENT_PORT = 7710

    # By hosts: folders that the agent-check has as /sys/fs/cgroup.
    attr_reader :views

    def initialize(folder, servers, network)
      super(folder, servers)
      @network = network
      @views = {}
      @port = PORT
    end

    def start
      @network.enter("balancer") { super }
    end

    # The host answers the agent-check again.
    def unsilence(name)
      @agents[name] = agent_of(@servers.fetch(name))
    end

    private

    WITH_VIEW = ["unshare", "--mount", "sh", "-c",
                 'mount --bind "$0" /sys/fs/cgroup && exec "$@"'].freeze

    def agent_check(server)
      view = @views[@servers.key(server)]
      view ? [*WITH_VIEW, view, *super] : super
    end

    def example
      self.class.substitute(File.read(EXAMPLE), "/run/haproxy/admin.sock", @socket)
    end

    def agent_of(server)
      name = @servers.key(server)
      @network.enter(name) do
        AgentPort.new(server.configuration.address, AGENT_PORT) do |connection|
          answer_agent_check(server, connection)
        end
      end
    end
  end

  attr_reader :network, :hosts, :haproxy

  # Raises Network::NotAllowed where there can be no namespaces.
  def initialize
    addresses = Haproxy::ADDRESSES.transform_values { |address| address.delete_suffix(":80") }
    @network = Network.new(CLIENTS, addresses.merge("balancer" => BALANCER)).make
    @hosts = {}
    addresses.each { |name, address| @hosts[name] = server(name, configuration(address)) }
    @opening = HttpClient.new(Balancer::PORT, SITE, address: BALANCER)
    @keeping = HttpClient::Keeping.new(Balancer::PORT, SITE, address: BALANCER)
    @haproxy = Balancer.new(SampleApps.new_folder, @hosts, @network).start
  end

  # Calls the block with a client of HAProxy that opens a connection for each request, or with one
  # that keeps connections.
  def client(keeping: false)
    @network.enter(Network::CLIENTS) { yield keeping ? @keeping : @opening }
  end

  # The status of a page of one host.
  def ask(name)
    @network.enter(Network::CLIENTS) { @hosts[name].client.get("/plain").code }
  end

  # Starts a host again whose processes were killed, with its application.
  def start_again(name)
    @hosts[name].destroy
    @hosts[name] = server(name, @hosts[name].configuration)
    @haproxy.unsilence(name)
  end

  def root(name)
    @hosts[name].configuration.sites.first.root
  end

  def instances(name)
    @hosts[name].tree.matching(/RubyApp.*rails_app/).map(&:pid)
  end

  # How often the hosts have begun a request, by the value of its parameter `run`; or one host.
  def runs(names = @hosts.keys)
    Array(names).flat_map { |name| log(name).scan(/^.*Started \w+ "\S+[?&]run=([\w-]+)"/) }
                .flatten.tally
  end

  # Stops all in order; returns sentences about what is left.
  def stop
    @keeping.close
    @haproxy&.stop
    @haproxy = nil
    @hosts.values.flat_map(&:stop)
  end

  # Ends all, whatever state it is in.
  def destroy(keep: false)
    @haproxy&.stop
    @hosts.each_value { |host| host.destroy(keep: keep) }
    @network.remove
  end

  private

  def configuration(address)
    HttpdConfiguration.new.tap do |made|
      made.address = address
      made.port = Balancer::PORT
      # Until then the health URL answers 503.
      made.main_directives << "PassengerPreStart http://#{address}/plain\n"
      made.site(SITE, SampleApps.new_rails, SETTINGS)
    end
  end

  def server(name, configuration)
    @network.enter(name) { HttpdServer.new(configuration).start }
  end

  def log(name)
    file = File.join(root(name), "log/production.log")
    File.exist?(file) ? File.read(file) : ""
  end
end
