# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/unharmed"

# An application leaves request bodies in its reply channels, or keeps their files. The kernel
# counts the descriptors that nobody has taken for httpd's user, and refuses further ones above a
# limit: those of all applications.
class AttackBodyFilesTest < IntegrationTest
  include Unharmed

  LIMIT = 400
  # In one round.
  UPLOADS = 300
  THREADS = 6
  INSTANCES = 3
  # More than httpd keeps in memory.
  BODY = "x" * 200_000
  CHILDREN = "StartServers 1\nServerLimit 1\nMinSpareThreads 1\nMaxSpareThreads 40\n" \
             "ThreadsPerChild 40\nMaxRequestWorkers 40"

  def test_bodies_that_nobody_takes_fail_no_other_application
    attack("channels", INSTANCES) do |server|
      attacker = server.client("attacker.test")
      assert_unharmed(server.client("other.test"), "/hello") do
        eventually("#{LIMIT} channels that stay open") do
          upload(attacker)
          kept_by_all(attacker) >= LIMIT
        end
      end
      took = seconds { assert_equal ["200"], at_once(server.client("other.test")).uniq }
      assert_operator took, :<, Eventually::LIMIT
      assert_empty server.log.text.lines.grep(/ETOOMANYREFS|Too many references/i)
    end
  end

  def test_bodies_that_an_application_keeps_take_no_space
    attack("files", 1) do |server|
      attacker = server.client("attacker.test")
      assert_status(200, attacker.get("/"))
      3.times { assert_status(200, attacker.post("/", BODY)) }
      eventually("empty files") { attacker.get("/kept").body.end_with?(" 3 0") }
    end
  end

  private

  # An instance that is faster than the others keeps no more channels at its own limit.
  def upload(attacker)
    threads = Array.new(THREADS) do
      Thread.new { Array.new(UPLOADS / THREADS) { attacker.post("/", BODY).code } }
    end
    assert_equal ["200"], threads.flat_map(&:value).uniq
  end

  # Asks until each instance has answered.
  def kept_by_all(client)
    kept = {}
    eventually("an answer of each instance") do
      pid, count = client.get("/kept").body.split
      kept[pid] = Integer(count)
      kept.size == INSTANCES
    end
    kept.values.sum
  end

  # Requests that need a reply channel each.
  def at_once(client)
    Array.new(20) { Thread.new { client.get("/hello").code } }.map(&:value)
  end

  def attack(keep, instances, &block)
    made = configuration do |one|
      one.descriptor_limit = LIMIT
      one.mpm_settings = CHILDREN unless one.mpm == "prefork"
      one.site("attacker.test", SampleApps.copy("attack_app"),
               "SetEnv KEEP #{keep}\nPassengerSpawnMethod direct\n" \
               "PassengerMinInstances #{instances}\nPassengerMaxInstances #{instances}\n")
      one.site("other.test", SampleApps.rack)
    end
    with_server(made, &block)
  end
end
