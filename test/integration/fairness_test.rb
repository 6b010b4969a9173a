# frozen_string_literal: true

require "digest"

require_relative "support/control_client"
require_relative "support/integration_test"

# PassengerFairnessKey: one client cannot take the places of others in a full queue. mod_remoteip
# gives each request the address of its client.
class FairnessTest < IntegrationTest
  SIZE = 8
  # Of the queue under load, and the greedy client's requests at once.
  LOADED_SIZE = 16
  GREED = 30
  LIMITS = "PassengerMaxInstances 1\nPassengerMinInstances 1\n"
  GREEDY = { "X-Forwarded-For" => "192.0.2.1" }.freeze
  OTHERS = (1..50).map { |number| { "X-Forwarded-For" => "198.51.100.#{number}" } }.freeze
  # Seconds after which the greedy client asks again if it was refused.
  PAUSE = 0.05
  APP = <<~APP
    run(lambda do |_env|
      sleep 0.02 until File.exist?(File.join(__dir__, "gate"))
      [200, {}, ["done"]]
    end)
  APP
  MODULES = %w[remoteip auth_basic authn_core authn_file authz_user].freeze

  def self.take_addresses_from_headers(made)
    made.main_directives = MODULES.map do |name|
      "LoadModule #{name}_module \"#{TestEnvironment.modules_dir}/mod_#{name}.so\"\n"
    end.join + "RemoteIPHeader X-Forwarded-For\nRemoteIPInternalProxy 127.0.0.1\n"
  end

  serve do |made|
    take_addresses_from_headers(made)
    gated = SampleApps.written(APP)
    users = File.join(gated, "users")
    # Each has its name as password.
    File.write(users, %w[alice bob].map do |name|
      "#{name}:{SHA}#{Digest::SHA1.base64digest(name)}\n"
    end.join)
    File.chmod(0o644, users)
    made.site("gated.test", gated, <<~DIRECTIVES)
      #{LIMITS}PassengerMaxRequestQueueSize #{SIZE}
      PassengerRequestQueueOverflowStatusCode 429
      PassengerFairnessKey client
      <Location /user>
        PassengerFairnessKey user
        AuthType Basic
        AuthName test
        AuthUserFile "#{users}"
        Require valid-user
      </Location>
      <Location /header>
        PassengerFairnessKey header:X-Api-Key
      </Location>
      SetEnvIf User-Agent "tenant-(.*)" tenant=$1
      <If "%{REQUEST_URI} =~ m#^/env#">
        PassengerFairnessKey env:tenant
      </If>
      <Location /off>
        PassengerFairnessKey off
      </Location>
    DIRECTIVES
    made.site("status.test", nil, "<Location /status>\nSetHandler passenger-status\n</Location>\n",
              document_root: SampleApps.new_folder)
  end

  def setup
    @waiting = []
    FileUtils.touch(gate)
    assert_status 200, client("gated.test").get("/")
    FileUtils.rm_f(gate)
  end

  def teardown
    FileUtils.touch(gate)
    assert_empty @waiting.map { |thread| thread.value.code } - ["200"]
    eventually("an idle application") { in_flight.zero? }
  end

  def test_a_client_may_hold_as_many_places_of_the_queue_as_are_free
    before = counters
    wait("/", GREEDY)
    (SIZE / 2).times { wait("/", GREEDY) }
    refusal = refused("/", GREEDY)
    assert_match(/\A[2-6]\z/, refusal["Retry-After"])
    server.log.wait_for(/event=request.refused .* status=429 .*PassengerFairnessKey has its share/)
    (SIZE / 2).times { |number| wait("/", OTHERS[number]) }
    refused("/", OTHERS.last)
    assert_equal before.values_at("over_share", "refused").map { |count| count + 1 },
                 counters.values_at("over_share", "refused")
    metrics = client("status.test").get("/status?metrics").body
    assert_match(/^passenger_app_request_failures_total\{.*reason="over_share"\} [1-9]/, metrics)
  end

  def test_where_the_directive_is_off_a_client_may_have_all_places
    (1 + SIZE).times { wait("/off", GREEDY) }
    refused("/off", GREEDY)
    refused("/", OTHERS.first)
  end

  def test_an_ipv6_network_is_one_client
    wait("/", GREEDY)
    (SIZE / 2).times { |host| wait("/", "X-Forwarded-For" => "2001:db8:1:2::#{host}") }
    refused("/", "X-Forwarded-For" => "2001:db8:1:2:ffff::1")
    wait("/", "X-Forwarded-For" => "2001:db8:1:3::1")
  end

  def test_a_user_is_one_key_from_any_address
    assert_shared("/user", as("alice"), as("bob"))
  end

  def test_a_header_is_a_key
    assert_shared("/header", { "X-Api-Key" => "a" }, { "X-Api-Key" => "b" })
  end

  def test_a_variable_is_a_key
    assert_shared("/env", { "User-Agent" => "tenant-a" }, { "User-Agent" => "tenant-b" })
  end

  def test_requests_without_the_header_count_by_the_clients_address
    wait("/header", GREEDY)
    (SIZE / 2).times { wait("/header", GREEDY.merge("X-Api-Key" => "")) }
    refused("/header", GREEDY)
    # The same text as a header is no address.
    wait("/header", GREEDY.merge("X-Api-Key" => "192.0.2.1"))
    wait("/header", OTHERS.first)
  end

  def test_the_counts_of_a_killed_child_vanish
    (1 + (SIZE / 2)).times { wait("/", GREEDY) }
    server.tree.httpd_children.each { |child| Process.kill("KILL", child.pid) }
    @waiting.each { |thread| assert_nil thread.value }
    @waiting.clear
    # The instance still has the first one.
    eventually("no waiting request") { in_flight <= 1 }
    (SIZE - 1).times { |number| wait("/", OTHERS[number]) }
    wait("/", GREEDY)
  end

  # A server of its own: so many refusals use up the log's limit of lines, for other tests, too.
  def test_one_greedy_client_among_fifty_costs_the_others_nothing
    with_server(loaded) do |own|
      greedy, others = load_on(own, "fair.test")
      assert_equal ["200"], others.uniq
      assert_equal %w[200 503], greedy.uniq.sort
      _, others = load_on(own, "plain.test")
      assert_includes others, "503", "without the directive the others are refused"
    end
  end

  private

  def gate
    File.join(app_root, "gate")
  end

  def app_root
    server.configuration.sites.first.root
  end

  # A request that runs or waits until the gate opens.
  def wait(path, headers)
    @waiting << Thread.new do
      client("gated.test").get(path, headers)
    rescue EOFError, SystemCallError
      nil
    end
    eventually("a waiting request") { in_flight >= @waiting.size }
  end

  def refused(path, headers)
    before = refusals
    asking = Thread.new { client("gated.test").get(path, headers) }
    @waiting << asking unless asking.join(30)
    refute asking.alive?, "the request is refused"
    # It is counted after its answer.
    eventually("its count") { refusals > before }
    assert_status 429, asking.value
  end

  def refusals
    counters.values_at("over_share", "refused").sum
  end

  # `other` gets a place where `greedy`, at addresses of any kind, has its share.
  def assert_shared(path, greedy, other)
    wait(path, greedy.merge(GREEDY))
    (SIZE / 2).times { |number| wait(path, greedy.merge(OTHERS[number])) }
    refused(path, greedy.merge(OTHERS.last))
    wait(path, other.merge(GREEDY))
  end

  def as(user)
    { "Authorization" => "Basic #{["#{user}:#{user}"].pack('m0')}" }
  end

  # Fifty answers a second: fewer than clients on a busy machine ask for.
  def loaded
    configuration do |made|
      self.class.take_addresses_from_headers(made)
      app = "run ->(_env) { sleep 0.02; [200, {}, []] }\n"
      limits = "#{LIMITS}PassengerMaxRequestQueueSize #{LOADED_SIZE}\n"
      made.site("fair.test", SampleApps.written(app), "#{limits}PassengerFairnessKey client\n")
      made.site("plain.test", SampleApps.written(app), limits)
    end
  end

  # Codes of the greedy client's answers, and of fifty others that ask beside it, three at once.
  def load_on(own, site)
    assert_status 200, own.client(site).get("/")
    over = false
    greedy = Array.new(GREED) do
      Thread.new do
        codes = []
        until over
          codes << own.client(site).get("/", GREEDY).code
          sleep PAUSE if codes.last == "503"
        end
        codes
      end
    end
    eventually("a full queue") { in_flight(site, own) > LOADED_SIZE / 2 }
    left = Thread::Queue.new(OTHERS).close
    others = Array.new(3) do
      Thread.new do
        codes = []
        while (headers = left.pop)
          codes << own.client(site).get("/", headers).code
        end
        codes
      end
    end
    codes = others.flat_map(&:value)
    over = true
    [greedy.flat_map(&:value), codes]
  ensure
    over = true
    (greedy.to_a + others.to_a).each(&:join)
  end

  def status_of(site = "gated.test", of = server)
    root = of.configuration.sites.find { |one| one.name == site }.root
    ControlClient.in(File.join(of.folder, "run")).status["apps"]
      .find { |app| app["root"] == root }
  end

  def counters
    status_of["counters"]
  end

  def in_flight(site = "gated.test", of = server)
    app = status_of(site, of)
    app ? app["queue"]["waiting"] + app["instances"].sum { |one| one["sessions"] } : 0
  end
end
