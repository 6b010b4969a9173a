# frozen_string_literal: true

require_relative "support/command_runner"
require_relative "support/integration_test"

# The output of applications.
class LogTest < IntegrationTest
  include CommandRunner

  LONG = 20_000
  # More than the agent keeps for a log that blocks.
  FLOOD = 200_000
  PRINTER = <<~RUBY
    $stdout.sync = true
    puts "printed at load"
    run proc { |env|
      case env["PATH_INFO"]
      when "/long" then puts "long-" + "x" * #{LONG} + "-end"
      when "/partial" then $stdout.print "without an end"
      when "/many" then 500.times { |number| puts "line-\#{number}" }
      when "/flood" then $stdout.write("flood \#{'x' * 50}\\n" * #{FLOOD})
      when "/bytes" then $stdout.write("zero\\0byte \\xFF\\n".b)
      when "/child" then system("echo said by a child")
      end
      [200, { "Content-Type" => "text/plain" }, [Process.pid.to_s]]
    }
  RUBY

  serve do |made|
    made.site("rack.test", SampleApps.rack)
    made.site("printer.test", SampleApps.written(PRINTER))
  end

  def setup
    @position = server.log.position
  end

  def test_each_line_of_output_names_the_process
    pid = client.pid
    client.get("/stderr?text=unmistakable")
    %w[stdout stderr errors].each do |where|
      server.log.wait_for(/App #{pid} output: #{where} says unmistakable/, from: @position)
    end
  end

  def test_output_of_loading_is_in_the_log
    client("printer.test").get("/")
    server.log.wait_for(/App \d+ output: printed at load/)
  end

  def test_many_lines_arrive_completely_and_in_order
    assert_status 200, client("printer.test").get("/many")
    server.log.wait_for(/line-499/, from: @position)
    assert_equal (0..499).to_a, server.log.text(@position).scan(/output: line-(\d+)/)
      .flatten.map(&:to_i)
  end

  def test_a_long_line_is_not_lost
    assert_status 200, client("printer.test").get("/long")
    server.log.wait_for(/x-end/, from: @position)
    assert_equal LONG, server.log.text(@position).lines.grep(/output: (long-)?x/).join.count("x")
  end

  def test_a_line_without_an_end_is_not_lost
    pid = Integer(client("printer.test").get("/partial").body)
    Process.kill(:KILL, pid)
    server.log.wait_for(/App #{pid} output: without an end/, from: @position)
  end

  def test_odd_bytes_do_not_end_the_log
    assert_status 200, client("printer.test").get("/bytes")
    server.log.wait_for(/output: zero/, from: @position)
  end

  def test_output_of_an_applications_own_children_is_in_the_log
    assert_status 200, client("printer.test").get("/child")
    server.log.wait_for(/App \d+ output: said by a child/, from: @position)
  end

  def test_a_configured_log_file_has_the_lines_of_applications_and_agent
    path = File.join(SampleApps.new_folder, "passenger.log")
    with_server(configuration { |made| made.set("PassengerLogFile", path) }) do |server|
      server.client.get("/stderr?text=elsewhere")
      LogReader.new(path).wait_for(/App \d+ output: .*elsewhere/)
      refute_match(/elsewhere/, server.log.text)
    end
  end

  # Where the disk has room again, the log says how many lines are missing.
  def test_a_full_disk_of_the_log_stops_no_request
    path = File.join(SampleApps.new_folder, "passenger.log")
    File.symlink("/dev/full", path)
    made = configuration do |one|
      one.set("PassengerLogFile", path)
      one.site("printer.test", SampleApps.written(PRINTER))
    end
    with_server(made) do |server|
      3.times { assert_status 200, server.client.get("/many") }
      restarted = server.client.pid
      FileUtils.touch(File.join(server.configuration.sites.first.root, "tmp/restart.txt"))
      eventually("another instance") { server.client.pid != restarted }
      File.unlink(path)
      succeed(CONFIG, "reopen-logs")
      server.client.get("/many")
      dropped = LogReader.new(path).wait_for(/event=log\.dropped lines=\d+/)
      assert_operator Integer(dropped[/lines=(\d+)/, 1]), :>=, 1000
    end
  end

  def test_a_log_without_a_reader_delays_no_request
    made = configuration do |one|
      one.error_log = "|$exec cat >>'%s'"
      one.site("printer.test", SampleApps.written(PRINTER), "PassengerMaxLogLinesPerSecond 0\n")
      one.site("rack.test", SampleApps.rack)
    end
    with_server(made) do |server|
      server.client("printer.test").get("/")
      with_stopped(server.tree.matching(/\Acat\b/).map(&:pid)) do
        assert_status 200, server.client("printer.test", timeout: 60).get("/flood")
        # The pool process has to start the instance for this first request.
        assert_status 200, server.client("rack.test", timeout: 60).get("/pid")
        assert_status 200, server.client("printer.test", timeout: 60).get("/")
      end
      written = -> { server.log.count(/output: flood x{50}$/) }
      # The reader may fall behind again while it reads the kept lines.
      eventually("each line is there, or counted as dropped", within: 60) do
        written.call + server.log.text.scan(/event=log\.dropped lines=(\d+)/)
          .flatten.sum(&:to_i) >= FLOOD
      end
      assert_operator written.call, :<, FLOOD
      server.client("rack.test").get("/stderr?text=afterwards")
      server.log.wait_for(/output: .*afterwards/)
    end
  end

  private

  def with_stopped(pids)
    refute_empty pids
    pids.each { |pid| ProcessInfo.stop(pid) }
    yield
  ensure
    pids.each { |pid| Process.kill(:CONT, pid) }
  end
end
