# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/steady_load"

# Applications that never come to serve are given up for a while, and leave nothing.
class BackOffTest < IntegrationTest
  # For the many that are tried too often.
  WINDOW = 10
  # At most so many attempts are made in WINDOW seconds.
  ATTEMPTS = 5
  START_TIMEOUT = 2

  # Instances that serve nothing, and end.
  DYING = <<~RUBY
    PhusionPassenger.on_event(:starting_worker_process) { |_forked| Thread.new { sleep 0.05; exit!(1) } }
    run proc { |_env| sleep }
  RUBY

  # Loads, but its instances fail when they are to begin to serve, until it is told that they may.
  UNREADY = <<~RUBY
    PhusionPassenger.on_event(:starting_worker_process) { |_forked| raise "not ready" unless File.exist?("ready") }
    run proc { |_env| [200, {}, ["ready"]] }
  RUBY

  serve do |made|
    made.site("healthy.test", SampleApps.rack)
    made.site("failing.test", SampleApps.written("raise 'not yet'\n"))
    made.site("recovering.test", SampleApps.written("raise 'not yet'\n"))
    made.site("dying.test", SampleApps.written(DYING))
    made.site("unready.test", SampleApps.written(UNREADY))
    made.site("hanging.test", SampleApps.written("load File.join(__dir__, 'children.rb')\nsleep\n"),
              "PassengerStartTimeout #{START_TIMEOUT}\n")
  end

  def setup
    @position = server.log.position
  end

  def test_an_application_that_does_not_start_is_tried_now_and_then_and_its_requests_are_answered_at_once
    answers = SteadyLoad.during(client("failing.test"), threads: 1) { sleep WINDOW }
    assert_equal [500], answers.map(&:code).uniq
    assert_includes 2..ATTEMPTS, attempts("failing.test")
    assert_operator answers.size, :>, WINDOW, "most are answered from the last report"
    assert_operator answers.map(&:latency).max, :<, WINDOW / 2

    mended = Eventually.monotonic
    mend("failing.test")
    eventually("the mended application", within: 10) { client("failing.test").get("/").body == "mended" }
    assert_operator Eventually.monotonic - mended, :<, 5, "the next attempt was not made at once"
  end

  def test_an_application_that_can_start_again_comes_back_before_anybody_asks
    assert_status 500, client("recovering.test").get("/")
    File.write(File.join(root("recovering.test"), "config.ru"), SampleApps.saying("recovered"))
    server.log.wait_for(/event=instance\.started app="#{root('recovering.test')}/, from: @position)
    assert_equal "recovered", client("recovering.test").get("/").body
    refute_match(/event=pool\.exited/, server.log.text(@position))
  end

  def test_an_instance_that_fails_when_it_is_to_serve_is_tried_again
    assert_status 500, client("unready.test").get("/")
    server.log.wait_for(/event=spawn\.failed app="#{root('unready.test')}.* failed with RuntimeError: not ready/, from: @position)
    server.log.wait_for(/report=\S+ +handshake +failed/, from: @position)
    File.write(File.join(root("unready.test"), "ready"), "")
    server.log.wait_for(/event=instance\.started app="#{root('unready.test')}/, from: @position)
    assert_equal "ready", client("unready.test").get("/").body
  end

  def test_instances_that_die_at_once_are_not_made_without_end_and_others_go_on
    client("healthy.test").get("/hello")
    healthy = SteadyLoad.new(client("healthy.test"), "/hello", 1)
    answers = SteadyLoad.during(client("dying.test")) do
      server.log.wait_for(/event=app\.unstable/, from: @position, within: 20)
      sleep 2
    end
    assert_empty answers.map(&:code).uniq - [500, 502]
    assert_includes 1..ATTEMPTS + 1, server.log.count(/event=instance\.started app="#{root('dying.test')}/, @position)
    assert_equal [200], healthy.stop.map(&:code).uniq
  ensure
    healthy&.stop
  end

  def test_an_application_that_hangs_while_it_starts_is_an_error_page_in_time_and_leaves_no_process
    marks = [hanging_child, hanging_child("setsid ")]
    File.write(File.join(root("hanging.test"), "children.rb"), marks.map { |mark, _| "system(#{mark.dump})\n" }.join)
    before = Eventually.monotonic
    page = Thread.new { client("hanging.test").get("/") }
    eventually("its children") { marks.all? { |_, seconds| sleepers(seconds).any? } }
    assert_status 500, page.value
    assert_includes START_TIMEOUT..START_TIMEOUT + 4, Eventually.monotonic - before
    eventually("no child is left", within: 3) { marks.none? { |_, seconds| sleepers(seconds).any? } }
  end

  private

  def root(name)
    server.configuration.sites.find { |one| one.name == name }.root
  end

  def attempts(site)
    server.log.count(/event=spawn\.failed app="#{root(site)}/, @position)
  end

  def mend(site)
    File.write(File.join(root(site), "config.ru"), SampleApps.saying("mended"))
    FileUtils.touch(File.join(root(site), "tmp/restart.txt"))
  end

  # A shell command for a child in the background, and by which number it is known.
  def hanging_child(prefix = "")
    seconds = rand(100_000_000..999_999_999)
    ["#{prefix}sleep #{seconds} &", seconds]
  end

  def sleepers(seconds)
    ProcessInfo.all.select { |process| process.command_line.match?(/\Asleep #{seconds}\z/) }
  end
end
