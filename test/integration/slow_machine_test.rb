# frozen_string_literal: true

require_relative "support/brake"
require_relative "support/cpu_group"
require_relative "support/machines_test_case"
require_relative "support/weight_watch"

# Three hosts, one of which has half of its processor time for a while: its weight follows, and
# then all weights are at rest. PASSENGER_TEST_WEIGHTS is the time for that in seconds.
class SlowMachineTest < MachinesTestCase
  SECONDS = Integer(ENV.fetch("PASSENGER_TEST_WEIGHTS", "25"))
  # Each request waits for so many seconds, as for a database, and then computes.
  WAIT = 0.3
  COMPUTE = 0.012
  # Processors that each host has.
  CORES = 0.4
  # The weight follows, and comes back, within so many seconds.
  FOLLOWS = 5
  # A slow host has at most this part of the others' weight, and a quick one at least this part.
  SLOW = 0.9
  QUICK = 0.9
  # Weights at rest stay within so much of their mean, and turn once in so many seconds at most.
  SPREAD = 15
  TURN = 60

  def test_a_slow_host_gets_less_until_it_is_quick_again
    served_as_before("slowness of a host") do |what|
      watch = nil
      slow = quick = nil
      sent = under_load(most: (SECONDS + 120) * RATE) do |load|
        watch = WeightWatch.new(haproxy, machines.hosts.keys)
        slow = monotonic
        halve { load.wait_for_more(SECONDS * RATE) }
        quick = monotonic
        load.wait_for_more(2 * FOLLOWS * RATE)
      end
      watch.stop
      assert_all_served sent, what
      Waits.new(sent.select { |one| one.due < quick }, slow).tap do |waits|
        waits.others = problems_of(watch, slow, quick)
      end
    ensure
      watch&.stop
    end
  end

  def setup
    super
    @groups = {}
    limit_hosts if CpuGroup.kernel
  end

  def teardown
    super
    return unless @groups

    haproxy.views.clear
    @groups.each_value(&:remove)
  end

  private

  def page(run)
    "/slow?seconds=#{WAIT}&compute=#{COMPUTE}&run=#{run}"
  end

  # Each host in a group of its own. The clients and HAProxy have one, too, so that other work of
  # the machine makes no bursts of their requests.
  def limit_hosts
    @groups["clients"] = CpuGroup.new("clients", scratch)
    @groups["clients"].take([Process.pid, haproxy.pid])
    machines.hosts.each do |name, host|
      group = @groups[name] = CpuGroup.new(name, scratch)
      # What was started meanwhile is in the second list.
      2.times { group.take(host.tree.pids) }
      group.limit(CORES)
      haproxy.views[name] = group.view
    end
  end

  # The host has half of its processor time until the block ends.
  def halve
    group = @groups[HOST]
    brake = group ? nil : Brake.new(machines.hosts[HOST].tree.pids, SECONDS + 60)
    group&.limit(CORES / 2)
    yield
  ensure
    brake&.release
    group&.limit(CORES)
  end

  # Sentences about the weights.
  def problems_of(watch, slow, quick)
    problems = machines.hosts.keys.flat_map do |name|
      unrest(name, watch.weights(name, slow, quick), quick - slow - WeightWatch::REST)
    end
    # Without groups of the kernel the weights tell what else the machine does.
    return problems unless CpuGroup.kernel

    fell = watch.after(slow, HOST) { |part| part <= SLOW }
    came = watch.after(quick, HOST) { |part| part >= QUICK }
    part = watch.mean_part(HOST, slow, quick)
    puts "The slow host's weight fell after #{fell&.round(1)} s, was #{part.round(2)} of the " \
         "others', and came back after #{came&.round(1)} s"
    problems << "the weight does not fall: #{part.round(2)}" if part > SLOW
    in_time = [fell, came].all? { |seconds| seconds && seconds <= FOLLOWS }
    problems << "the weight does not follow in time" unless in_time
    problems
  end

  def unrest(name, weights, seconds)
    mean = weights.sum / weights.size.to_f
    turns = WeightWatch.turns(weights)
    text = format("%s: weight %.0f, %d to %d, %d turns in %d s",
                  name, mean, weights.min, weights.max, turns, seconds)
    puts text
    rest = weights.all? { |one| (one - mean).abs <= SPREAD } && turns <= 1 + (seconds / TURN)
    rest ? [] : ["no rest: #{text}"]
  end
end
