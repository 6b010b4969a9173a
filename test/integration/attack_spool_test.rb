# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/unharmed"

# Clients of one application fill PassengerDataBufferDir, with uploads that never end and downloads
# that they do not read. Only this application gets no more room.
class AttackSpoolTest < IntegrationTest
  include Unharmed

  MB = 1024 * 1024
  # PassengerMaxDataBufferSizePerApp.
  MOST = 20
  FLOOD = 60 * MB
  # Bytes are counted in steps, and memory and sockets hold some more.
  TOLERANCE = 2 * MB

  serve do |made|
    made.set("PassengerMaxDataBufferSizePerApp", MOST)
    # A client that reads nothing must not be given up.
    made.main_directives << "Timeout 300\n"
    made.site("attacker.test", SampleApps.copy("attack_app"), "PassengerMaxInstances 2\n")
    made.site("other.test", SampleApps.rack)
  end

  # Lines of the log that are limited may be an earlier test's.
  def setup
    @clients = []
    %w[attacker.test other.test].each do |site|
      assert_equal 200, server.client(site).get("/hello").code.to_i
    end
    eventually("no files") { spooled.zero? }
  end

  def teardown
    @clients.each(&:close)
  end

  def test_downloads_that_nobody_reads_take_no_room_from_other_applications
    stalled = []
    assert_unharmed(server.client("other.test"), "/hello") do
      stalled << stalled_download while stalled.size < 2
    end
    line = server.log.wait_for(/event=response\.not_buffered/)
    assert_match(/directive=PassengerMaxDataBufferSizePerApp/, line)
    assert_operator spooled, :<=, MOST * MB + TOLERANCE
    assert_others_have_room
    # The application has waited, and no byte is lost.
    stalled.each { |client| assert_equal FLOOD, client.read_bytes(FLOOD).bytesize }
  end

  def test_uploads_that_never_end_take_no_room_from_other_applications
    stalled_upload(MOST - 2)
    answer = upload("attacker.test", 5)
    assert_equal 507, answer.status
    line = server.log.wait_for(/event=upload\.refused/)
    assert_match(/status=507 directive=PassengerMaxDataBufferSizePerApp/, line)
    assert_match(/the most that they may have are #{MOST} MB/, line)
    assert_others_have_room
    @clients.each(&:close)
    eventually("room after the upload's end") { upload("attacker.test", 5).status == 200 }
  end

  def test_the_files_of_a_killed_child_count_no_more
    stalled_upload(MOST - 2)
    assert_equal 507, upload("attacker.test", 5).status
    Process.kill(:KILL, holder)
    eventually("room after the child's end") { upload("attacker.test", 5).status == 200 }
  end

  def test_a_reload_forgets_no_files
    stalled_upload(MOST - 2)
    server.graceful
    assert_equal 507, upload("attacker.test", 5).status
    assert_others_have_room
    @clients.each(&:close)
    eventually("room after the upload's end") { upload("attacker.test", 5).status == 200 }
  end

  private

  def stalled_download
    client = new_client("attacker.test").request("GET", "/flood?bytes=#{FLOOD}")
    assert_equal 200, client.read_head.status
    client
  end

  # An upload of which so many MB come, and then nothing.
  def stalled_upload(size)
    client = new_client("attacker.test")
    client.request("POST", "/", "Content-Length" => ((size + 1) * MB).to_s)
    size.times { client.write("x" * MB) }
    eventually("the upload's file") { spooled >= (size - 1) * MB }
  end

  # Sends until an answer comes.
  def upload(site, size)
    client = new_client(site)
    client.request("POST", "/hello", "Content-Length" => (size * MB).to_s)
    # A client that goes on sending may lose the answer to the end of the connection.
    (size * 16).times { client.write("x" * (MB / 16)) unless client.arrived?(0) }
    client.response
  ensure
    client.close
  end

  def assert_others_have_room
    before = spooled
    assert_equal 200, upload("other.test", 10).status
    eventually("the end of the upload's file") { spooled <= before + TOLERANCE }
    client = new_client("other.test").request("GET", "/download?bytes=#{10 * MB}")
    assert_equal 200, client.read_head.status
    eventually("the other application's file") { spooled > before + TOLERANCE }
    assert_equal 10 * MB, client.read_bytes(10 * MB).bytesize
  end

  def new_client(site)
    server.raw(site).tap { |client| @clients << client }
  end

  # The bytes of all files in PassengerDataBufferDir that httpd's children have.
  def spooled
    files.values.flatten.sum { |file| File.stat(file).size rescue 0 }
  end

  # The child that has a file.
  def holder
    files.find { |_, found| found.any? }.first
  end

  def files
    server.tree.processes.to_h do |process|
      found = Dir.glob("/proc/#{process.pid}/fd/*").select do |file|
        File.readlink(file).match?(%r{\A/var/tmp/.*\(deleted\)}) rescue false
      end
      [process.pid, found]
    end
  end
end
