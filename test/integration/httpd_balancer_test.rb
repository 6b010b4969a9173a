# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/several_hosts"

# The example of doc/scale-out with httpd as the balancer of two hosts.
class HttpdBalancerTest < IntegrationTest
  include SeveralHosts

  EXAMPLE = File.join(TestEnvironment::SOURCE_DIR, "doc/scale-out/httpd-balancer.conf")
  # The example's, and those that they need. Debian's a2enmod knows the latter.
  MODULES = %w[slotmem_shm proxy proxy_http proxy_balancer proxy_hcheck lbmethod_bybusyness].freeze
  # Requests in a row that reach one host only because the other one gets none.
  MANY = 20

  def test_a_drained_host_gets_nothing_and_returns
    with_balanced_hosts do |hosts|
      on(hosts["b"], "drain", "--all")
      eventually("nothing for the drained host") { only_to?("a") }
      before = served_by("b")
      MANY.times { assert_equal "a", ask }
      assert_equal before, served_by("b")
      on(hosts["b"], "undrain", "--all")
      eventually("requests for both hosts") { both? }
    end
  end

  def test_a_host_that_dies_costs_no_later_request
    with_balanced_hosts do |hosts|
      kill_host(hosts["b"])
      MANY.times do |id|
        assert_equal "a", ask
        assert_status 200, @balancer.client("rack.test")
                                    .post("/slow?seconds=0&started=#{runs_file(id)}", "x")
      end
      assert_equal [1], Array.new(MANY) { |id| runs(id) }.uniq
    end
  end

  def test_a_client_stays_on_its_host
    sticky = lambda do |text|
      text.gsub(/^ *BalancerMember .*(?=\n)/).with_index { |line, at| "#{line} route=#{'ab'[at]}" }
          .sub("ProxySet ", "ProxySet stickysession=HOST ")
          .sub("</VirtualHost>", "#{documented('Header add')}</VirtualHost>")
    end
    with_balanced_hosts(sticky) { 3.times { assert_sticky(@balancer.client("rack.test")) } }
  end

  private

  def with_balanced_hosts(change = :itself.to_proc)
    with_hosts("PassengerMaxInstances 1\nPassengerMinInstances 1\n") do |hosts|
      @names = hosts.to_h { |name, host| [host.client.pid, name] }
      @balancer = HttpdServer.new(balancer_configuration(change.call(example(hosts)))).start
      eventually("requests for both hosts") { both? }
      yield hosts
      assert_nothing_left @balancer.stop
    ensure
      @balancer&.destroy(keep: !passed?)
    end
  end

  def balancer_configuration(text)
    HttpdConfiguration.new.tap do |made|
      made.passenger = false
      made.main_directives = modules + text
    end
  end

  def modules
    MODULES.map do |name|
      "LoadModule #{name}_module #{File.join(TestEnvironment.modules_dir, "mod_#{name}.so")}\n"
    end.join
  end

  # The example, with this test's addresses.
  def example(hosts)
    text = File.read(EXAMPLE)
    { "192.0.2.1:80" => hosts["a"], "192.0.2.2:80" => hosts["b"] }.each do |address, host|
      text.sub!(address, "127.0.0.1:#{host.port}") or flunk("the example has no #{address}")
    end
    text.sub!(/^ *BalancerMember \S*192\.0\.2\.3.*\n/, "") or flunk("the example has no third host")
    text.sub!("<VirtualHost *:80>", "<VirtualHost *>") or flunk("the example has no virtual host")
    text
  end

  # The host that answers a request through the balancer.
  def ask
    @names.fetch(@balancer.client("rack.test").pid)
  end

  def both?
    Array.new(MANY) { ask }.uniq.size == 2
  end

  def only_to?(name)
    Array.new(MANY) { ask }.uniq == [name]
  end

  # Requests that the host has served, without those of the health check.
  def served_by(name)
    accesses(@hosts[name], %r{^(?!GET /health )}).size
  end
end
