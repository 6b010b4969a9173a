# frozen_string_literal: true

require_relative "support/integration_test"

# How often an application that does not start is tried, and what the log says each time.
class FailedStartsTest < IntegrationTest
  # Without a request there are as many attempts.
  UNASKED = 3
  # Longer than the pause before the attempt that would follow, 2 s after the third one.
  QUIET = 5
  BROKEN = "File.write(File.join(__dir__, 'starts'), 'x', mode: 'a')\nraise 'broken for good'\n"

  serve do |made|
    made.site("broken.test", SampleApps.written(BROKEN), "PassengerMinInstances 1\n")
  end

  def test_after_three_attempts_each_request_and_each_change_gets_one_and_the_log_says_it_once
    first = assert_status(500, client("broken.test").get("/")).body[/Report: (\h+)/, 1]
    assert_starts UNASKED
    report = server.log.count(/^.*\breport=#{first} (?!repeated|error)/)
    assert_operator report, :>, 10, "lines of the report"
    assert_equal UNASKED - 1, server.log.count(/event=spawn\.failed .*report=#{first} repeated=/)

    again = assert_status(500, client("broken.test").get("/")).body[/Report: (\h+)/, 1]
    assert_equal first, again, "the page names the report that the log has"
    assert_starts UNASKED + 1
    assert_equal report, server.log.count(/^.*\breport=#{first} (?!repeated|error)/)

    FileUtils.touch(File.join(root, "tmp/restart.txt"))
    assert_starts UNASKED + 2
    server.log.wait_for(/event=spawn\.failed .* report=(?!#{first})\h+ error=/)
  end

  private

  def assert_starts(count)
    eventually("#{count} starts") { starts >= count }
    sleep QUIET
    assert_equal count, starts
  end

  def starts
    File.size(File.join(root, "starts"))
  rescue Errno::ENOENT
    0
  end

  def root
    server.configuration.sites.first.root
  end
end
