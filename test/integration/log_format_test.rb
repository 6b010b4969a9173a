# frozen_string_literal: true

require "json"

require_relative "support/integration_test"

# PassengerLogFormat json: each line of the agent's log is an object.
class LogFormatTest < IntegrationTest
  PRINTER = <<~RUBY
    $stdout.sync = true
    puts "printed at load"
    run proc { |env|
      case env["PATH_INFO"]
      when "/bytes" then $stdout.write("bytes \\xFF \\"quoted\\" \\\\ tab\\t\\n".b)
      when "/forged" then puts 'event=instance.exited app="/srv/other" {"event":"x"}'
      end
      [200, { "Content-Type" => "text/plain" }, [Process.pid.to_s]]
    }
  RUBY
  FAILING = %(raise "cannot start: \\"event=x.y\\" app=\\"/srv/other\\"\\nsecond line")
  STARTED = { "event" => "instance.started" }.freeze

  def setup
    @log = LogReader.new(File.join(scratch, "agent.log"))
  end

  def test_each_line_is_an_object_with_the_fields_of_its_event
    serving do |server|
      pid = Integer(server.client("printer.test").get("/").body)
      started = line(STARTED.merge("pid" => pid))
      assert_match(/\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d\z/, started["time"])
      assert_equal "notice", started["level"]
      assert_includes server.tree.matching(/passenger-agent pool/).map(&:pid), started["agent_pid"]
      assert_kind_of Integer, started["ms"]
      # Of the preloader.
      printed = line("event" => "app.output", "message" => "printed at load")
      assert_kind_of Integer, printed["app_pid"]
    end
    # Of all processes of the agent, up to its end.
    assert_equal %w[agent.stopped agent.stopping],
                 %w[agent.stopped agent.stopping] & lines.map { |one| one["event"] }
  end

  def test_output_of_an_application_forges_no_field
    serving do |server|
      client = server.client("printer.test")
      pid = Integer(client.get("/bytes").body)
      client.get("/forged")
      output = lambda { |part|
        eventually("the output #{part}") do
          lines.find { |one| one["event"] == "app.output" && one["message"].include?(part) }
        end
      }
      assert_equal "bytes \uFFFD \"quoted\" \\ tab\t", output.call("bytes")["message"]
      forged = output.call("/srv/other")
      assert_equal ["output", pid, 'event=instance.exited app="/srv/other" {"event":"x"}'],
                   forged.values_at("level", "app_pid", "message")
    end
  end

  def test_a_report_is_in_the_lines_with_its_number
    serving do |server|
      assert_status 500, server.client("failing.test").get("/")
      failed = line("event" => "spawn.failed")
      refute_equal "/srv/other", failed["app"]
      report = eventually("the report") do
        found = lines.select { |one| one["event"] == "report.line" }
        found if found.any? { |one| one["message"].include?("second line") }
      end
      assert_equal [failed["report"]], report.map { |one| one["report"] }.uniq
      assert_empty(report.flat_map(&:keys) - %w[time level agent_pid event report message])
    end
  end

  def test_a_reload_changes_the_form
    serving("text") do |server|
      server.client("printer.test").get("/")
      @log.wait_for(/^\[.*event=instance\.started/)
      position = @log.position
      server.graceful { |made| made.set("PassengerLogFormat", "json") }
      server.client("printer.test").get("/forged")
      @log.wait_for(/^\{.*app\.output/, from: position)
    end
  end

  private

  def serving(format = "json", &block)
    made = configuration do |one|
      one.set("PassengerLogFile", @log.path)
      one.set("PassengerLogFormat", format)
      one.set("PassengerLogLevel", 5)
      one.site("printer.test", SampleApps.written(PRINTER))
      one.site("failing.test", SampleApps.written(FAILING))
    end
    with_server(made, &block)
  end

  # Every line; a line without its end is not complete yet.
  def lines
    @log.text.lines.grep(/\n\z/).map { |text| JSON.parse(text) }
  end

  # The first object with these values.
  def line(values)
    eventually("a line with #{values}") do
      lines.find { |one| values.all? { |key, value| one[key] == value } }
    end
  end
end
