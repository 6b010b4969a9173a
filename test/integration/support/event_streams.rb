# frozen_string_literal: true

require_relative "transfers"

# Tests of event streams that do not depend on the application's language. A test that includes this
# serves its application at `events.test`, with LOGGED, and at `filtered.test`, with FILTERED. Its
# streaming_app() returns the folder of another one, and the directives of such a site.
module EventStreams
  include Transfers

  LOGGED = "CustomLog logs/access.log transfers\n"
  # A filter that changes the body of `/events`.
  FILTERED = "SetOutputFilter SUBSTITUTE\nSubstitute s/welcome/hello/\n" \
             "CustomLog logs/filtered.log transfers\n"

  def self.set_up(made, *modules)
    Transfers.set_up(made)
    ["filter", "substitute", *modules].each do |name|
      file = File.join(TestEnvironment.modules_dir, "mod_#{name}.so")
      made.main_directives << "LoadModule #{name}_module #{file}\n"
    end
  end

  def test_a_long_stream_waits_for_its_client_and_comes_whole
    assert_a_long_stream_waits_for_its_client_and_comes_whole
  end

  def test_the_access_log_tells_of_streams_that_were_given_away
    listening.close
    wait_for_entries("/events 200 1")
  end

  def test_a_stream_whose_body_a_filter_changes_stays_with_httpd
    raw = server.raw("filtered.test").request("GET", "/events")
    raw.read_head
    assert_equal "data: hello\n\n", raw.read_chunk
    raw.close
    wait_for_entries("/events 200 -", in_log: "filtered.log")
  end

  def test_a_stream_has_a_place_where_requests_are_limited
    root, directives = streaming_app
    made = configuration do |one|
      one.main_directives << LOG_FORMAT
      one.site("limited.test", root,
               "PassengerMaxInstances 1\nPassengerForceMaxConcurrentRequestsPerProcess 1\n" \
               "#{LOGGED}#{directives}")
    end
    with_server(made) do |own|
      stream = welcomed(own)
      surplus = own.raw.request("GET", "/pid")
      stream.close
      assert_equal 200, surplus.read_head.status
      log = File.join(own.folder, "logs/access.log")
      entries = ["/events 200 -", "/pid 200 -"]
      eventually("the entries") { File.readlines(log, chomp: true).sort == entries }
    end
  end

  # The application streams at `/slow` until `tmp/go` exists. Where there is one instance, the next
  # one does not wait for the streams of the old one.
  def test_a_stream_outlives_httpd_s_process_and_a_deploy
    root, directives = streaming_app
    ["", "PassengerMaxInstances 1\n"].each do |limit|
      made = configuration do |one|
        one.main_directives << LOG_FORMAT
        one.site("deployed.test", root, "#{LOGGED}#{directives}#{limit}")
      end
      with_server(made) { |own| assert_a_stream_outlives(own, root) }
      FileUtils.rm(File.join(root, "tmp/go"))
    end
  end

  private

  # A client of the event stream at `/events`, whoever has the connection.
  def welcomed(own)
    raw = own.raw.request("GET", "/events")
    raw.read_head
    assert_equal "data: welcome\n\n", raw.read_chunk
    raw
  end

  def begun(own)
    own.raw.request("GET", "/slow").tap do |raw|
      raw.read_head
      assert_equal "data: begun\n\n", raw.read_chunk
    end
  end

  def assert_a_stream_outlives(own, root)
    raw = begun(own)
    eventually_given_away(own, 1)
    own.tree.httpd_children.each { |process| Process.kill(:KILL, process.pid) }
    pid = eventually("another child") { own.client.get("/pid").body }
    FileUtils.touch(File.join(root, "tmp/restart.txt"))
    eventually("the new version") { own.client.get("/pid").body != pid }
    raws = [raw, begun(own)]
    FileUtils.touch(File.join(root, "tmp/go"))
    raws.each do |one|
      assert_equal "data: ended\n\n", one.read_chunk
      assert_empty one.read_chunk.to_s
    end
    eventually("the end of the old instance") { !own.tree.pids.include?(pid.to_i) }
    eventually_given_away(own, 2)
  end

  # httpd's process has left a stream to the agent when its line is in the access log.
  def eventually_given_away(own, streams)
    log = File.join(own.folder, "logs/access.log")
    eventually("#{streams} given away") do
      File.readlines(log, chomp: true).count("/slow 200 1") == streams
    end
  end
end
