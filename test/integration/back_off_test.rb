# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/steady_load"

# Applications that fail to start again and again are not started for a while, and leave no
# processes.
class BackOffTest < IntegrationTest
  # Seconds in which attempts are counted.
  WINDOW = 10
  # The most attempts in WINDOW seconds.
  ATTEMPTS = 5
  # Instances of an application that die in a row until it is not started for a while. Each may die
  # with a request that has killed another one before, and that one does not count.
  DEATHS = 10
  START_TIMEOUT = 2

  # Dies by some requests, as native code may.
  MORTAL = <<~RUBY
    run(proc do |env|
      Process.kill(:KILL, Process.pid) if env["PATH_INFO"] == "/die"
      sleep if env["PATH_INFO"] == "/die"
      [200, {}, ["alive"]]
    end)
  RUBY

  # The instances send READY and end before they serve.
  DYING = <<~RUBY
    PhusionPassenger::FrameSocket.prepend(Module.new do
      def write(type, *fields, **more)
        super
        Thread.new { sleep 0.05; exit!(1) } if type == PhusionPassenger::Frame::Control::READY
      end
    end)
    run proc { |_env| sleep }
  RUBY

  # Loads, but its instances fail at the start of serving until the file `ready` exists.
  UNREADY = <<~RUBY
    PhusionPassenger.on_event(:starting_worker_process) do |_forked|
      raise "not ready" unless File.exist?("ready")
    end
    run proc { |_env| [200, {}, ["ready"]] }
  RUBY

  serve do |made|
    made.site("healthy.test", SampleApps.rack)
    made.site("failing.test", SampleApps.written("raise 'not yet'\n"),
              "PassengerRollingRestarts Off\n")
    made.site("recovering.test", SampleApps.written("raise 'not yet'\n"))
    made.site("dying.test", SampleApps.written(DYING))
    made.site("mortal.test", SampleApps.written(MORTAL))
    made.site("unready.test", SampleApps.written(UNREADY))
    made.site("hanging.test", SampleApps.written("load File.join(__dir__, 'children.rb')\nsleep\n"),
              "PassengerStartTimeout #{START_TIMEOUT}\n")
  end

  def setup
    @position = server.log.position
  end

  def test_a_failing_application_is_tried_after_pauses_and_its_requests_are_answered_at_once
    assert_seconds_below(5, "the next attempt, which is to be made at once,") do
      deploy("failing.test", "raise 'not yet'\n")
      assert_tried_now_and_then("failing.test")
      deploy("failing.test", SampleApps.saying("mended"))
      seconds do
        eventually("the mended application") { client("failing.test").get("/").body == "mended" }
      end
    end
  end

  def test_a_repaired_application_starts_without_a_request_when_its_restart_file_changes
    assert_status 500, client("recovering.test").get("/")
    deploy("recovering.test", SampleApps.saying("recovered"))
    server.log.wait_for(/event=instance\.started app="#{root('recovering.test')}/, from: @position)
    assert_equal "recovered", client("recovering.test").get("/").body
    refute_match(/event=pool\.exited/, server.log.text(@position))
  end

  def test_an_instance_that_fails_at_the_start_of_serving_is_tried_again
    assert_status 500, client("unready.test").get("/")
    failure = / failed with RuntimeError: not ready/
    server.log.wait_for(/event=spawn\.failed app="#{root('unready.test')}.*#{failure}/,
                        from: @position)
    server.log.wait_for(/report=\S+ +handshake +failed/, from: @position)
    File.write(File.join(root("unready.test"), "ready"), "")
    eventually("an instance") { client("unready.test").get("/").code == "200" }
    assert_equal "ready", client("unready.test").get("/").body
  end

  def test_requests_that_kill_two_instances_each_do_not_take_the_application_down
    assert_equal "alive", client("mortal.test").get("/").body
    3.times { assert_status 502, client("mortal.test").get("/die") }
    assert_equal "alive", client("mortal.test").get("/").body
    died = server.log.count(/event=instance\.exited app="#{root('mortal.test')}/, @position)
    assert_equal 6, died, "each request was sent again once"
    refute_match(/event=app\.unstable app="#{root('mortal.test')}/, server.log.text(@position))
  end

  def test_instances_that_die_at_once_are_started_after_pauses_and_other_applications_serve
    client("healthy.test").get("/hello")
    healthy = SteadyLoad.new(client("healthy.test"), "/hello", 1)
    answers = SteadyLoad.during(client("dying.test")) do
      server.log.wait_for(/event=app\.unstable/, from: @position)
      sleep 2
    end
    assert_empty answers.map(&:code).uniq - [500, 502]
    assert_includes 1..DEATHS,
                    server.log.count(/event=instance\.started app="#{root('dying.test')}/,
                                     @position)
    assert_equal [200], healthy.stop.map(&:code).uniq
  ensure
    healthy&.stop
  end

  def test_a_start_that_hangs_gets_an_error_page_in_time_and_leaves_no_process
    marks = [hanging_child, hanging_child("setsid ")]
    File.write(File.join(root("hanging.test"), "children.rb"),
               marks.map { |mark, _| "system(#{mark.dump})\n" }.join)
    # On a machine that stalls, children may start, or be seen, too late.
    eventually("its children, and a page in time") do
      seen = false
      took = seconds { seen = wait_for_page(marks) }
      seen && took.between?(START_TIMEOUT, START_TIMEOUT + 4)
    end
    eventually("no child is left") { marks.none? { |mark| child?(mark) } }
  end

  private

  def root(name)
    server.configuration.sites.find { |one| one.name == name }.root
  end

  def attempts(site)
    server.log.count(/event=spawn\.failed app="#{root(site)}/, @position)
  end

  def deploy(site, config_ru)
    File.write(File.join(root(site), "config.ru"), config_ru)
    FileUtils.touch(File.join(root(site), "tmp/restart.txt"))
  end

  # For an application that does not start.
  def assert_tried_now_and_then(site)
    eventually("the version that fails") { client(site).get("/").code == "500" }
    before = attempts(site)
    answers = nil
    took = seconds { answers = SteadyLoad.during(client(site), threads: 1) { sleep WINDOW } }
    assert_operator attempts(site) - before, :<=, attempts_in(took)
    assert_equal [500], answers.map(&:code).uniq
    assert_operator answers.size, :>, WINDOW, "most are answered from the last report"
    # The slowest answers are left out: the machine may have stalled.
    assert_operator answers.map(&:latency).sort[-3], :<, WINDOW / 2
    eventually("other attempts") { attempts(site) > before + 1 }
  end

  # Attempts follow after 0.5 s, 1, 2, 4, …; one more may just have been made.
  def attempts_in(seconds)
    Math.log2((seconds / 0.5) + 1).floor + 1
  end

  # Returns a shell command for a child in the background, and the number in its command line.
  def hanging_child(prefix = "")
    seconds = rand(100_000_000..999_999_999)
    ["#{prefix}sleep #{seconds} &", seconds]
  end

  def child?(mark)
    ProcessInfo.all.any? { |process| process.command_line.match?(/\Asleep #{mark.last}\z/) }
  end

  # Requests the page of an application that hangs. True if all these children ran meanwhile.
  def wait_for_page(marks)
    page = Thread.new { client("hanging.test").get("/") }
    seen = false
    seen ||= marks.all? { |mark| child?(mark) } until page.join(0.02)
    assert_status 500, page.value
    seen
  end
end
