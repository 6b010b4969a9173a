# frozen_string_literal: true

require_relative "support/integration_test"

# Instances that have no descriptor left, as with an application that leaks them.
class ShortInstancesTest < IntegrationTest
  PYTHON = "/usr/bin/python3"
  # Each of them needs a channel of its own.
  BURST = 8

  RACK = <<~RUBY
    run proc { |env|
      input = env["rack.input"].read
      sleep 0.05 unless env["PATH_INFO"] == "/pid"
      [200, {}, [env["PATH_INFO"] == "/pid" ? $$.to_s : input.size.to_s]]
    }
  RUBY
  WSGI = <<~'PYTHON'
    import os, time

    def application(environ, start_response):
        body = environ["wsgi.input"].read()
        start_response("200 OK", [])
        if environ["PATH_INFO"] == "/pid":
            return [str(os.getpid()).encode()]
        time.sleep(0.05)
        return [str(len(body)).encode()]
  PYTHON

  serve do |made|
    made.set("PassengerMaxPoolSize", 8)
    made.set("PassengerLogLevel", 4)
    # Requests one after the other come by one channel.
    made.use_one_child
    { "rack" => [RACK, "config.ru"], "wsgi" => [WSGI, "passenger_wsgi.py"] }.each do |kind, file|
      made.site("#{kind}.test", SampleApps.written(*file),
                "PassengerMinInstances 2\nPassengerMaxInstances 2\nPassengerPython #{PYTHON}\n")
      made.site("#{kind}-single.test", SampleApps.written(*file),
                "PassengerMaxInstances 1\nPassengerPython #{PYTHON}\n")
    end
  end

  def test_an_upload_that_does_not_reach_its_instance_is_answered
    kinds.each do |kind|
      site = client("#{kind}-single.test")
      assert_equal "200000", site.post("/", "x" * 200_000).body
      pid = site.pid
      use_up_descriptors(pid)
      position = server.log.position
      assert_status 503, site.post("/", "x" * 200_000)
      server.log.wait_for(/event=body\.not_received .*remedy="a higher limit of open files"/,
                          from: position)
      assert_equal pid, site.pid
    end
  end

  def test_an_instance_that_gets_no_further_channel_is_replaced
    kinds.each do |kind|
      site = "#{kind}.test"
      client(site).pid
      pids = eventually("two") { instances(site).then { |found| found if found.size == 2 } }
      position = server.log.position
      use_up_descriptors(pids.first)
      answers = Array.new(BURST) { Thread.new { client(site).get("/").body } }.map(&:value)
      assert_equal ["0"] * BURST, answers
      line = server.log.wait_for(/event=instance\.worn .*open files is reached/, from: position)
      assert_includes line, "pid=#{pids.first} "
      eventually("its successor") do
        instances(site).then { |found| found.size == 2 && !found.include?(pids.first) }
      end
    end
  end

  private

  def kinds
    File.executable?(PYTHON) ? %w[rack wsgi] : %w[rack]
  end

  def instances(site)
    root = server.configuration.sites.find { |one| one.name == site }.root
    server.tree.matching(/\APassenger (Ruby|Python)App: /).map(&:pid).select do |pid|
      File.readlink("/proc/#{pid}/cwd") == root
    rescue SystemCallError # it has ended
      false
    end
  end

  # The process can open no more.
  def use_up_descriptors(pid)
    taken = Dir.children("/proc/#{pid}/fd").map(&:to_i)
    ProcessInfo.limit(pid, "nofile", (0..).find { |number| !taken.include?(number) })
  end
end
