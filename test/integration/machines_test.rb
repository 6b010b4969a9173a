# frozen_string_literal: true

require_relative "support/deployment"
require_relative "support/machines_test_case"

# What clients of three hosts see when one dies, is cut off, is drained or gets a new version.
class MachinesTest < MachinesTestCase
  # Seconds that each request takes.
  SERVICE = 0.3
  # Requests while the host is away.
  AWAY = 5 * RATE

  def test_a_host_that_is_killed_costs_at_most_the_requests_in_flight
    report_loss("kill of a host") do |load|
      ending = kill_host(machines.hosts[HOST])
      haproxy.silence(HOST)
      eventually("the end of the host in HAProxy's eyes") { haproxy.down?(HOST) }
      load.wait_for_more(AWAY)
      machines.start_again(HOST)
      ending
    end
  end

  def test_a_host_that_is_cut_off_costs_at_most_the_requests_in_flight
    report_loss("cut of a host") do |load|
      cutting = monotonic
      machines.network.cut(HOST)
      cut = monotonic
      eventually("the end of the host in HAProxy's eyes") { haproxy.down?(HOST) }
      load.wait_for_answers(cut)
      load.wait_for_more(AWAY)
      machines.network.mend(HOST)
      cutting..cut
    ensure
      machines.network.mend(HOST)
    end
  end

  def test_a_host_that_is_drained_gets_nothing_and_no_request_fails
    report_service("drain and the return of a host") do |load|
      config("drain", "--all", "--wait", "60")
      eventually("the drain in HAProxy's eyes") { haproxy.down?(HOST) }
      before = begun_by(HOST)
      load.wait_for_more(AWAY)
      assert_equal before, begun_by(HOST), "requests for the drained host"
      config("undrain", "--all")
    end
  end

  def test_a_new_version_on_one_host_costs_no_request
    report_service("new version on one host") do |load|
      old = machines.instances(HOST)
      FileUtils.touch(File.join(machines.root(HOST), "tmp/restart.txt"))
      eventually("new instances alone", every: 0.2) do
        now = machines.instances(HOST)
        now.size == old.size && (now & old).empty?
      end
      load.wait_for_more(AWAY)
    end
  end

  def test_the_deployment_of_all_hosts_by_the_script_costs_no_request
    report_service("deployment of all hosts") do |load|
      old = machines.hosts.keys.to_h { |name| [name, machines.instances(name)] }
      output, status = Deployment.new(machines.hosts, scratch).run("exit 0")
      assert_equal 0, status, output
      old.each do |name, pids|
        eventually("the end of old instances") { (machines.instances(name) & pids).empty? }
      end
      load.wait_for_more(AWAY)
    end
  end

  private

  def page(run)
    "/slow?seconds=#{SERVICE}&run=#{run}"
  end

  def config(*arguments)
    on(machines.hosts[HOST], *arguments)
  end

  # The block ends the host, begins its return, and returns the time in which the host ended.
  def report_loss(name)
    served_as_before(name) do |what|
      ended = nil
      sent = under_load do |load|
        ended = yield load
        wait_for_service(HOST)
      end
      assert_loss(what, sent, ended)
      Waits.new(sent, ended.end)
    end
  end

  # The block does something for which no request fails.
  def report_service(name)
    served_as_before(name) do |what|
      event = nil
      sent = under_load do |load|
        event = monotonic
        yield load
        wait_for_service(HOST)
      end
      assert_all_served sent, what
      Waits.new(sent, event)
    end
  end

  def assert_loss(what, sent, ended)
    in_flight = sent.select { |one| one.asked <= ended.end && one.answered >= ended.begin }
    failed = sent.reject { |one| one.code == "200" }
    show(what, sent, in_flight, failed)
    assert_empty failed - in_flight
    assert_each_ran_once sent, failed
    puts format("Those in flight took at most %.1f s, the others %.1f s",
                longest(in_flight), longest(sent - in_flight))
    assert_operator longest(sent), :<, TIMEOUT
  end

  def longest(sent)
    sent.map { |one| one.answered - one.asked }.max
  end

  def show(what, sent, in_flight, failed)
    puts format("\n%<all>d requests over the %<what>s: %<in_flight>d were in flight, " \
                "%<failed>d failed (%<codes>s), of which %<posts>d were POSTs",
                all: sent.size, what: what, in_flight: in_flight.size, failed: failed.size,
                codes: failed.map(&:code).tally.map { |code, number| "#{number} x #{code}" }
                             .join(", "),
                posts: failed.count { |one| one.verb == "post" })
  end
end
