# frozen_string_literal: true

require_relative "support/integration_test"

# How often an application that does not start is tried, and what the log says each time.
class FailedStartsTest < IntegrationTest
  # Without a request there are as many attempts.
  UNASKED = 3
  # Longer than the pause before the attempt that would follow, 2 s after the third one.
  QUIET = 5
  BROKEN = "File.write(File.join(__dir__, 'starts'), 'x', mode: 'a')\nraise 'broken for good'\n"

  # Each instance ends a second after its start, with the request that it has.
  DYING = <<~RUBY
    PhusionPassenger.on_event(:starting_worker_process) do |_forked|
      File.write(File.join(__dir__, "starts"), "x", mode: "a")
      Thread.new { sleep 1; exit!(1) }
    end
    run proc { |_env| sleep }
  RUBY

  serve do |made|
    made.site("broken.test", SampleApps.written(BROKEN), "PassengerMinInstances 1\n")
    made.site("dying.test", SampleApps.written(DYING), "PassengerMinInstances 1\n")
  end

  def test_after_three_attempts_each_request_and_each_change_gets_one_and_the_log_says_it_once
    first = assert_status(500, client("broken.test").get("/")).body[/Report: (\h+)/, 1]
    assert_starts UNASKED
    report = server.log.count(/^.*\breport=#{first} (?!repeated|error)/)
    assert_operator report, :>, 10, "lines of the report"
    eventually("the log has the other attempts") do
      server.log.count(/event=spawn\.failed .*report=#{first} repeated=/) == UNASKED - 1
    end

    again = assert_status(500, client("broken.test").get("/")).body[/Report: (\h+)/, 1]
    assert_equal first, again, "the page names the report that the log has"
    assert_starts UNASKED + 1
    assert_equal report, server.log.count(/^.*\breport=#{first} (?!repeated|error)/)

    FileUtils.touch(File.join(root, "tmp/restart.txt"))
    assert_starts UNASKED + 2
    server.log.wait_for(/event=spawn\.failed .* report=(?!#{first})\h+ error=/)
  end

  # A POST is not sent again when its instance dies.
  def test_instances_that_end_before_an_answer_are_started_as_often_and_the_log_says_it_once
    assert_status 502, client("dying.test").post("/", "")
    assert_starts UNASKED, "dying.test"
    line = server.log.wait_for(/event=app\.unstable app="#{root('dying.test')}.* report=\h+ error=/)
    first = line[/report=(\h+)/, 1]

    assert_status 502, client("dying.test").post("/", "")
    assert_starts UNASKED + 1, "dying.test"
    FileUtils.touch(File.join(root("dying.test"), "tmp/restart.txt"))
    assert_starts UNASKED + 2, "dying.test"
    # The last instance may live for longer than its second on a busy machine.
    eventually("the third line") do
      server.log.count(/event=app\.unstable app="#{root('dying.test')}/) == 3
    end
    assert_equal 1, server.log.count(/event=app\.unstable .* report=#{first} repeated=1 /)
  end

  private

  def assert_starts(count, site = "broken.test")
    eventually("#{count} starts") { starts(site) >= count }
    sleep QUIET
    assert_equal count, starts(site)
  end

  def starts(site)
    File.size(File.join(root(site), "starts"))
  rescue Errno::ENOENT
    0
  end

  def root(site = "broken.test")
    server.configuration.sites.find { |one| one.name == site }.root
  end
end
