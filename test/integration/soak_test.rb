# frozen_string_literal: true

require_relative "support/command_runner"
require_relative "support/integration_test"
require_relative "support/torture/inventory"

# A server under a light load for long, with deploys and reloads: nothing grows, and no request
# fails. PASSENGER_TEST_SOAK is the time in seconds; from an hour on there is a deploy each minute
# and a reload each five minutes. Prints a line of figures for each fifth of the time.
class SoakTest < IntegrationTest
  include CommandRunner

  SECONDS = Integer(ENV.fetch("PASSENGER_TEST_SOAK", "15"))
  DEPLOY_EVERY = [60, SECONDS / 5.0].min
  RELOAD_EVERY = [300, SECONDS / 2.0].min
  PAUSE = 0.02
  CLIENTS = 2
  # A process may grow by this, in KiB of PSS: the allocator keeps what it has had.
  SLACK = 4096

  # The number of httpd's children stays the same, but for a moment after a reload.
  CHILDREN = { "prefork" => 8 }.tap { |number| number.default = 2 }.freeze

  def test_memory_and_descriptors_stay_flat_and_no_request_fails
    made = configuration do |one|
      @children = CHILDREN[one.mpm]
      one.mpm_settings = children(one.mpm)
      one.site("rack.test", SampleApps.rack, "PassengerMaxInstances 1\n")
    end
    with_server(made) do |server|
      # What is made once is there before the figures that later ones are compared with.
      under_load(server) do
        deploy(server)
        server.graceful
        deploy(server)
      end
      before = [inventory(server), memory(server)]
      answers = under_load(server) { soak(server) }
      assert_equal ["200"], answers.keys, answers.inspect
      assert_flat(server, before)
    end
  end

  private

  def children(mpm)
    idle, threads = mpm == "prefork" ? ["Servers", 1] : ["Threads", 50]
    "StartServers #{@children}\nServerLimit #{@children}\n" \
      "MaxRequestWorkers #{threads * @children}\nMinSpare#{idle} #{threads * @children}\n" \
      "#{"ThreadsPerChild #{threads}" unless mpm == 'prefork'}"
  end

  # Returns the number of answers by status.
  def under_load(server)
    over = false
    clients = Array.new(CLIENTS) do
      Thread.new do
        answers = Hash.new(0)
        until over
          answers[server.client.get("/hello").code] += 1
          sleep PAUSE
        end
        answers
      end
    end
    yield
    over = true
    clients.map(&:value).reduce { |one, other| one.merge(other) { |_, a, b| a + b } }
  ensure
    over = true
  end

  def soak(server)
    began = Eventually.monotonic
    due = { deploy: DEPLOY_EVERY, reload: RELOAD_EVERY, tell: SECONDS / 5.0 }
    every = due.dup
    while (passed = Eventually.monotonic - began) < SECONDS
      due.select { |_, date| date <= passed }.each_key do |what|
        due[what] += every[what]
        perform(what, server)
      end
      sleep 0.2
    end
  end

  def perform(what, server)
    case what
    when :deploy then deploy(server)
    when :reload then server.graceful
    else
      counts = Inventory.of(server.tree).counts
      puts "\nsoak: PSS in KiB #{memory(server)}, #{counts}" if SECONDS >= 60
    end
  end

  def deploy(server)
    old = server.client.pid
    succeed(CONFIG, "restart-app", "--all", "--wait=60")
    eventually("the new version") { server.client.pid != old }
  end

  # With all of httpd's children, and httpd's parent.
  def inventory(server)
    eventually("#{@children} children of httpd", every: 0.5) do
      Inventory.new(server.tree).counts.fetch(:httpd).processes == @children + 1
    end
    Inventory.of(server.tree)
  end

  # PSS of processes that live on, in KiB.
  def memory(server)
    { "httpd's parent" => [server.pid], "anchor" => /passenger-agent anchor/,
      "watchdog" => /passenger-agent watchdog/,
      "pool" => /passenger-agent pool/, "rights" => /passenger-agent rights/ }
      .transform_values do |what|
      pids = what.is_a?(Array) ? what : server.tree.matching(what).map(&:pid)
      pids.sum { |pid| File.read("/proc/#{pid}/smaps_rollup")[/^Pss: +(\d+)/, 1].to_i }
    end
  end

  def assert_flat(server, before)
    inventory, kilobytes = before
    growth = { httpd: 4 * CLIENTS, pool: 8 * CLIENTS, instance: 4 * CLIENTS, preloader: 2 }
    eventually("as many processes and descriptors as before", within: 60, every: 0.5) do
      assert_empty Inventory.of(server.tree)
        .problems(inventory, growth)
    end
    return if TestEnvironment.sanitized?

    memory(server).each do |name, now|
      assert_operator now, :<, kilobytes.fetch(name) + SLACK, "the memory of #{name}, in KiB"
    end
  end
end
