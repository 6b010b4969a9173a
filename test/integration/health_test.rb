# frozen_string_literal: true

require_relative "support/command_runner"
require_relative "support/integration_test"

# SetHandler passenger-health: what a balancer learns.
class HealthTest < IntegrationTest
  include CommandRunner

  PLACE = "<Location /health>\nSetHandler passenger-health\n</Location>\n"
  AGE = 1

  serve do |made|
    made.site("rack.test", SampleApps.rack, PLACE)
    made.site("slow.test", SampleApps.rack,
              "PassengerMaxInstances 1\nPassengerHealthQueueAge #{AGE}\n#{PLACE}")
    made.site("idle.test", SampleApps.rack, PLACE)
    made.site("broken.test", SampleApps.written("raise 'swordfish'\n"), PLACE)
    made.site("files.test", nil, PLACE, document_root: SampleApps.new_folder)
    made.site("refused.test", SampleApps.rack,
              "<Location /health>\nSetHandler passenger-health\nRequire all denied\n</Location>\n")
  end

  def health(site)
    client(site).get("/health")
  end

  def test_an_application_that_serves_is_healthy
    assert_status 200, client("rack.test").get("/")
    response = assert_status 200, health("rack.test")
    assert_equal "healthy\n", response.body
    assert_equal "no-store", response["Cache-Control"]
    assert_status 200, client("rack.test").head("/health")
    assert_status 405, client("rack.test").post("/health")
  end

  def test_an_application_that_was_not_requested_yet_is_healthy_and_stays_down
    assert_status 200, health("idle.test")
    assert_equal 0, server.log.count(/event=instance\.started .*#{root_of('idle.test')}/)
  end

  def test_an_application_that_does_not_start_is_not
    assert_status 500, client("broken.test").get("/")
    response = assert_status 503, health("broken.test")
    assert_match(/\Athe application app-\S+ \(production\) #\h+ does not start\n\z/, response.body)
    assert_match(/\A\d+\z/, response["Retry-After"])
  end

  def test_a_place_without_an_application_tells_of_all
    assert_status 500, client("broken.test").get("/")
    assert_match(/does not start/, assert_status(503, health("files.test")).body)
  end

  def test_a_request_that_waits_too_long_sends_others_elsewhere
    gate = fifo
    requests = Array.new(2) do
      Thread.new { client("slow.test").get("/wait?fifo=#{gate}") }
    end
    eventually("503") do
      response = health("slow.test")
      response.code == "503" && response.body.match?(/has let a request wait .* limit is #{AGE} s/)
    end
    2.times { release(gate) }
    requests.each { |request| assert_status 200, request.value }
    eventually("200") { health("slow.test").code == "200" }
  end

  def test_a_drained_application_sends_others_elsewhere_and_serves
    assert_status 200, client("rack.test").get("/")
    { ["drain", root("rack")] => /\Athe application \S+ \(production\) #\h+ drains\n\z/,
      ["drain", "--all"] => /\Athe server drains\n\z/ }.each do |order, reason|
      succeed(CONFIG, *order)
      response = assert_status 503, health("rack.test")
      assert_match reason, response.body
      assert_match(/\A[1-9]\d*\z/, response["Retry-After"])
      assert_status 200, client("rack.test").get("/")
      succeed(CONFIG, "undrain", *order.drop(1))
      assert_status 200, health("rack.test")
    end
  end

  # Kubernetes restarts a container that is not alive.
  def test_a_server_is_alive_while_it_drains_and_its_application_does_not_start
    assert_status 500, client("broken.test").get("/")
    succeed(CONFIG, "drain", "--all")
    assert_status 503, health("broken.test")
    assert_equal "alive\n", assert_status(200, client("broken.test").get("/health?live")).body
  ensure
    succeed(CONFIG, "undrain", "--all")
  end

  def test_httpds_access_rules_protect_it
    assert_status 403, health("refused.test")
  end

  private

  def root_of(site)
    Regexp.escape(server.configuration.sites.find { |one| one.name == site }.root)
  end
end
