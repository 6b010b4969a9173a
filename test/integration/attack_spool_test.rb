# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/small_disk"
require_relative "support/unharmed"

# Clients of one application fill PassengerDataBufferDir, with uploads that never end and downloads
# that they do not read. Only this application gets no more room.
class AttackSpoolTest < IntegrationTest
  include SmallDisk
  include Unharmed

  MB = 1024 * 1024
  # PassengerMaxDataBufferSizePerApp.
  MOST = 20
  FLOOD = 60 * MB
  # Of a file system of its own, in MB.
  DISK = 150
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

  # On a server of its own: each child logs only some refusals, and another test may have had them.
  def test_downloads_that_nobody_reads_take_no_room_from_other_applications
    limited("PassengerMaxDataBufferSizePerApp" => MOST) do
      stalled = []
      harmless { stalled = Array.new(2) { stalled_download } }
      line = server.log.wait_for(/event=response\.not_buffered/)
      assert_match(/directive=PassengerMaxDataBufferSizePerApp/, line)
      assert_operator spooled, :<=, MOST * MB + TOLERANCE
      assert_others_have_room
      # The application has waited, and no byte is lost.
      stalled.each { |client| assert_equal FLOOD, client.read_bytes(FLOOD).bytesize }
    end
  end

  def test_uploads_that_never_end_take_no_room_from_other_applications
    assert_only_the_attacker_is_refused
    assert_match(/the most that they may have are #{MOST} MB/,
                 server.log.wait_for(/event=upload\.refused/))
  end

  # An application that is alone may have half of it.
  def test_a_limit_for_all_files_leaves_room_to_other_applications
    limited("PassengerMaxDataBufferSize" => 2 * MOST) { assert_only_the_attacker_is_refused }
  end

  # Half of the room above the part that stays free.
  def test_a_part_of_the_disk_that_stays_free_leaves_room_to_other_applications
    with_small_disk(DISK * 1024) do |folder|
      @folder = folder
      limited("PassengerDataBufferDir" => folder,
              "PassengerMinDataBufferFreeSpace" => DISK - 2 * MOST) do
        assert_only_the_attacker_is_refused
      end
    end
  end

  def test_the_files_of_a_killed_child_count_no_more
    harmless { fill }
    Process.kill(:KILL, holder)
    eventually("room after the child's end") { upload("attacker.test", 5).status == 200 }
  end

  def test_a_reload_forgets_no_files
    harmless { fill }
    server.graceful
    assert_equal 507, upload("attacker.test", 5).status
    assert_others_have_room
    @clients.each(&:close)
    eventually("room after the upload's end") { upload("attacker.test", 5).status == 200 }
  end

  private

  # The one that a test has for itself, or that of all.
  def server
    @own_server || super
  end

  # A server with these limits, instead of that of a single application.
  def limited(directives)
    made = configuration do |one|
      directives.each { |name, value| one.set(name, value) }
      one.main_directives << "Timeout 300\n"
      one.site("attacker.test", SampleApps.copy("attack_app"), "PassengerMaxInstances 2\n")
      one.site("other.test", SampleApps.rack)
    end
    with_server(made) do |own|
      %w[attacker.test other.test].each { |site| assert_status 200, own.client(site).get("/hello") }
      yield
    end
  end

  # The block attacks, while requests of the other application come.
  def harmless(&attack)
    assert_unharmed(server.client("other.test"), "/hello", reset: -> { give_up }, &attack)
  end

  def give_up
    @clients.each(&:close).clear
    eventually("no files") { spooled.zero? }
  end

  # The application has as much as it may have.
  def fill
    stalled_upload(MOST - 2)
    assert_equal 507, upload("attacker.test", 5).status
  end

  def assert_only_the_attacker_is_refused
    harmless { fill }
    line = server.log.wait_for(/event=upload\.refused/)
    assert_match(/status=507 directive=PassengerMaxDataBufferSizePerApp/, line)
    assert_others_have_room
    give_up
    eventually("room after the upload's end") { upload("attacker.test", 5).status == 200 }
  end

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
        File.readlink(file).match?(%r{\A#{@folder || "/var/tmp"}/.*\(deleted\)}) rescue false
      end
      [process.pid, found]
    end
  end
end
