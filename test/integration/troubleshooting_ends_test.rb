# frozen_string_literal: true

require_relative "support/troubleshooting"

# Requests that meet the end of httpd, of one of its children, or of their instance. Each test has
# its own httpd:
# doc/TROUBLESHOOTING.md#503
# doc/TROUBLESHOOTING.md#502
class TroubleshootingEndsTest < TroubleshootingTest
  # A request is work of more than the second that this instance has in place of a minute.
  LONG_WORK = <<~RUBY
    PhusionPassenger::AppInstance.send(:remove_const, :FINISH_WITHIN)
    PhusionPassenger::AppInstance.const_set(:FINISH_WITHIN, 1)
    run proc { |env|
      next [200, {}, ["served"]] if env["REQUEST_METHOD"] == "GET"

      File.write("\#{__dir__}/started", "")
      File.open("\#{__dir__}/fifo", "r+", &:gets)
      File.write("\#{__dir__}/done", "")
      [200, {}, ["done"]]
    }
  RUBY
  # The same work in a process of its own.
  A_JOB = <<~'RUBY'
    run proc { |env|
      next [200, {}, ["served"]] if env["REQUEST_METHOD"] == "GET"

      job = "read line <fifo; : >done"
      Process.detach(spawn("sh", "-c", job, chdir: __dir__, pgroup: true, %i[in out err] => :close))
      [200, {}, ["begun"]]
    }
  RUBY

  def test_503_at_a_restart_of_httpd
    with_server(one_instance) do |own|
      busy = occupy(own)
      own.restart
      own.log.wait_for(/event=request\.refused .*status=503 .*"this server process is ending"/)
      assert_nil busy.value
      release(@fifo)
      before = own.log.position
      busy = occupy(own)
      own.graceful
      release(@fifo)
      assert_equal "200", busy.value
      refute_match(/this server process is ending/, own.log.text(before))
    end
  end

  # The unit test ExchangeLimitsTest has the time limit, with a clock of its own.
  def test_a_request_that_waits_in_a_child_that_ends_gets_a_new_instance
    with_server(one_instance) do |own|
      busy = occupy(own)
      waiting = ask(own, "/hello")
      eventually("a request that waits") { succeed(STATUS).match?(/^ +Requests in queue: 1$/) }
      own.graceful { |one| one.sites.first.directives = "PassengerMaxInstances 2\n" }
      # The agent learns of the directive by a request to a new child.
      assert_equal "200", ask(own, "/hello").value
      assert_equal "200", waiting.value
      assert_predicate busy, :alive?
      release(@fifo)
      assert_equal "200", busy.value
    end
  end

  def test_502_of_a_request_that_outlasts_the_time_of_an_old_instance
    made = configuration { |one| one.site("long.test", SampleApps.written(LONG_WORK)) }
    with_server(made) do |own|
      working = post(own)
      eventually("the work") { File.exist?(in_app("started")) }
      replace(own, A_JOB)
      own.log.wait_for(/event=instance\.gave_up_waiting .*requests=1/)
      assert_equal "502", working.value
      own.log.wait_for(/event=request\.failed .*status=502 .*the instance died/)
      refute_path_exists in_app("done")
      assert_equal "200", post(own).value
      before = own.log.position
      replace(own, A_JOB)
      File.write(in_app("fifo"), "go\n")
      eventually("the job's end") { File.exist?(in_app("done")) }
      refute_match(/event=instance\.gave_up_waiting/, own.log.text(before))
    end
  end

  private

  def one_instance
    configuration do |one|
      self.class.leave_room(one)
      one.site("rack.test", SampleApps.rack, "PassengerMaxInstances 1\n")
    end
  end

  # A thread whose value is the status, nil if httpd has cut the connection.
  def ask(own, path)
    Thread.new do
      own.client.get(path).code
    rescue SystemCallError, IOError
      nil
    end
  end

  # As `ask`, for a request that keeps the instance until the FIFO is released.
  def occupy(own)
    @fifo = fifo("fifo-#{rand(1 << 32)}")
    started = "#{@fifo}-started"
    asked = ask(own, "/wait?fifo=#{@fifo}&started=#{started}")
    eventually("the instance is busy") { File.exist?(started) }
    asked
  end

  def in_app(file)
    File.join(root("long"), file)
  end

  def post(own)
    fifo = in_app("fifo")
    File.mkfifo(fifo) unless File.exist?(fifo)
    TestEnvironment.hand_over(fifo)
    Thread.new { own.client.post("/", "").code }
  end

  def replace(own, text)
    File.write(in_app("config.ru"), text)
    succeed(CONFIG, "restart-app", "--wait", "60", root("long"))
    assert_equal "served", own.client.get("/").body
  end
end
