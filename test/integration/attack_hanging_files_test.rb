# frozen_string_literal: true

require_relative "support/hanging_files"
require_relative "support/integration_test"
require_relative "support/unharmed"

# An application sends descriptors of a file whose close and reading wait for ever: its FUSE file
# system does not answer. Requests of another application are served meanwhile, and of the attacker,
# too.
class AttackHangingFilesTest < IntegrationTest
  include Unharmed

  # Seconds. The file would hold up an answer for longer.
  AT_ONCE = 10
  ATTACKS = 4
  # Seconds.
  STOP = 60

  unless HangingFiles.missing
    serve do |made|
      made.set("PassengerAnswerFiles", "on")
      # One test stops the pool process. Then a child serves only applications that it knows.
      made.set("PassengerAgentTimeout", 60)
      made.use_one_child
      %w[attacker.test many.test].each do |site|
        made.site(site, SampleApps.copy("attack_app"), "PassengerMinInstances 1\n")
      end
      made.site("other.test", SampleApps.copy("rack_app"), "PassengerMinInstances 1\n")
      made.site("fresh.test", SampleApps.copy("rack_app"))
    end
  end

  def setup
    skip "not run: #{HangingFiles.missing}" if HangingFiles.missing
    %w[attacker.test other.test].each { |site| assert_status 200, client(site).get("/") }
    folder = scratch
    File.chmod(0o711, folder)
    @files = HangingFiles.new(folder)
  end

  # What waits goes on.
  def teardown
    @files&.finish
  end

  def test_a_file_on_a_reply_channel_stops_no_other_application
    assert_unharmed(client("other.test")) do
      ATTACKS.times { assert_equal "sent", attack("channel").body }
    end
  end

  def test_a_file_with_an_answer_breaks_the_answer_only
    assert_unharmed(client("other.test")) do
      ATTACKS.times { assert_status 502, attack("surplus") }
    end
    assert_status 200, client("attacker.test").get("/")
  end

  # Neither is the file system asked, nor the file read.
  def test_a_file_that_ends_an_answer_breaks_the_answer_only
    position = server.log.position
    assert_unharmed(client("other.test")) do
      ATTACKS.times do
        raw = server.raw("attacker.test")
        raw.request("GET", "/file/answer?#{@files.path}", "Connection" => "close")
        assert_predicate raw, :ended?
        raw.close
      end
    end
    server.log.wait_for(/file system whose files are not taken/, from: position)
    assert_status 200, client("attacker.test").get("/")
  end

  # Linux refuses it since 6.16. Otherwise the agent ends the instance, whose end waits.
  def test_a_file_on_the_control_socket_stops_no_other_application
    assert_unharmed(client("other.test")) { attack("control") }
    eventually("an answer") { client("attacker.test").get("/").code == "200" }
  end

  # The kernel's lock of the output is held by a process that no signal ends. The agent has not yet
  # read what is in the pipe.
  def test_an_application_that_holds_its_output_does_not_stop_the_start_of_another_one
    position = server.log.position
    pool = server.tree.matching(/passenger-agent pool/).first.pid
    ProcessInfo.stop(pool)
    pid = Integer(assert_status(200, attack("output")).body)
    # The kernel's function in which the process waits for the file system.
    eventually("the write") { File.read("/proc/#{pid}/wchan").match?(/wait_answer|folio|page/) }
    Process.kill(:CONT, pool)
    assert_status 200, client("fresh.test").get("/")
    refute_match(/event=pool\.killed/, server.log.text(position))
  ensure
    Process.kill(:CONT, pool) if pool
  end

  def test_many_files_cost_their_sender_its_requests_until_the_file_system_ends
    assert_unharmed(client("other.test")) do
      eventually("no requests for the attacker") { attack("many", "many.test").code == "503" }
    end
    @files.finish
    eventually("requests for the attacker") { client("many.test").get("/").code == "200" }
  end

  # The kernel ends a process only after its files are closed.
  def test_an_instance_that_cannot_end_harms_its_own_application_only
    pid = Integer(assert_status(200, attack("keep")).body)
    assert_unharmed(client("other.test")) do
      Process.kill(:KILL, pid)
      sleep 1
    end
    assert File.exist?("/proc/#{pid}"), "the file system keeps it"
    @files.finish
    eventually("its end") { !File.exist?("/proc/#{pid}") }
    eventually("an answer") { client("attacker.test").get("/").code == "200" }
  end

  def test_httpd_stops_although_an_instance_cannot_end
    made = configuration { |one| one.site("attacker.test", SampleApps.copy("attack_app")) }
    @own_server = HttpdServer.new(made).start
    pid = Integer(@own_server.client.get("/file/keep?#{@files.path}").body)
    left = @own_server.stop(within: STOP, patience: 1)
    assert_empty left.grep(/did not stop/)
    assert File.exist?("/proc/#{pid}"), "the file system keeps it"
    @files.finish
    eventually("its end") { !File.exist?("/proc/#{pid}") }
  end

  private

  def attack(what, site = "attacker.test")
    began = monotonic
    answer = client(site).get("/file/#{what}?#{@files.path}")
    assert_operator monotonic - began, :<, AT_ONCE
    answer
  end
end
