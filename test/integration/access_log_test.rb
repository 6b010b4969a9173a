# frozen_string_literal: true

require_relative "support/integration_test"

# What a LogFormat can say about a request of an application.
class AccessLogTest < IntegrationTest
  FORMAT = "times=%{PASSENGER_QUEUE_TIME}n,%{PASSENGER_SERVICE_TIME}n,%D path=%U"

  serve do |made|
    made.main_directives << "LogFormat \"#{FORMAT}\" times\nCustomLog logs/access.log times\n"
    made.site("rack.test", SampleApps.rack)
  end

  def test_a_request_has_its_time_in_the_queue_and_its_time_in_the_instance_in_microseconds
    assert_status 200, server.client.get("/slow?seconds=0.2")
    queue, service, all = times_of("/slow").map { |time| Integer(time) }
    assert_operator service, :>=, 200_000
    assert_operator queue, :>=, 0
    assert_operator queue + service, :<=, all
  end

  def test_a_file_has_none
    assert_status 200, server.client.get("/static.txt")
    assert_equal %w[- -], times_of("/static.txt").first(2)
  end

  private

  def times_of(path)
    log = LogReader.new(File.join(server.folder, "logs/access.log"))
    log.wait_for(/^times=(\S+) path=#{Regexp.escape(path)}$/)
    File.read(log.path)[/^times=(\S+) path=#{Regexp.escape(path)}$/, 1].split(",")
  end
end
