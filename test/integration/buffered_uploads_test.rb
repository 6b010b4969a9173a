# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/small_disk"

# Bodies are read before their request is queued; this is the default. With a pool of one, a busy
# instance shows.
class BufferedUploadsTest < IntegrationTest
  include SmallDisk

  HALF = 300_000
  LIMIT = 2_000_000

  serve do |made|
    made.set("PassengerMaxPoolSize", 1)
    made.site("rack.test", SampleApps.rack)
    made.site("impatient.test", SampleApps.rack, "Timeout 2\n")
    made.site("limited.test", SampleApps.rack, "LimitRequestBody #{LIMIT}\n")
    made.site("streamed.test", SampleApps.rack, "PassengerBufferUpload off\n")
  end

  def started
    File.join(scratch, "started")
  end

  def upload(raw)
    raw.request("POST", "/upload", "Content-Length" => HALF)
    raw.write("x" * HALF)
    raw.response
  end

  # The process opens no further descriptor meanwhile.
  def without_descriptors(pid)
    before = File.read("/proc/#{pid}/limits")[/^Max open files\s+(\d+)/, 1]
    open = Dir.children("/proc/#{pid}/fd").map(&:to_i)
    limit_descriptors(pid, 0.step.find { |number| !open.include?(number) })
    yield
  ensure
    limit_descriptors(pid, before)
  end

  # The soft limit. Only the process's user may set it everywhere.
  def limit_descriptors(pid, count)
    user = TestEnvironment.web_user
    switch = ["setpriv", "--reuid=#{user}", "--regid=#{user}", "--clear-groups"]
    system(*(TestEnvironment.root? ? switch : []), "prlimit", "--pid", pid.to_s,
           "--nofile=#{count}:", exception: true)
  end

  # Begins a request with a body; the caller sends as many bytes of it as it likes.
  def post(path, headers, site = "rack.test")
    server.raw(site).request("POST", path, headers)
  end

  def test_an_application_is_told_the_length_of_a_chunked_body
    environment = JSON.parse(client.post_stream("/env", Pattern::Reader.new(300_000)).body)
    assert_equal ["300000", nil], environment.values_at("CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING")
    environment = JSON.parse(client.post_stream("/env", Pattern::Reader.new(10)).body)
    assert_equal ["10", nil], environment.values_at("CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING")
  end

  def test_an_upload_without_a_descriptor_for_its_file_is_refused_until_there_is_one
    made = configuration do |one|
      one.use_one_child
      one.site("rack.test", SampleApps.rack)
    end
    with_server(made) do |own|
      raws = Array.new(2) { own.raw.tap { |raw| assert_equal 200, raw.get("/hello").status } }
      without_descriptors(own.tree.httpd_children.first.pid) do
        assert_equal 503, upload(raws.first).status
      end
      own.log.wait_for(/status=503 .*body cannot be buffered .*limit/)
      assert_equal 200, upload(raws.last).status
    end
  end

  def test_an_unbuffered_chunked_body_is_announced_to_the_application
    answer = client("streamed.test").post_stream("/env", Pattern::Reader.new(300_000))
    environment = JSON.parse(answer.body)
    assert_equal [nil, "chunked"], environment.values_at("CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING")
  end

  def test_a_ruby_application_gets_a_long_body_as_a_file_that_it_can_only_read
    application = <<~RUBY
      require "fcntl"
      run proc { |env|
        input = env["rack.input"]
        file = input.instance_variable_get(:@file)
        mode = file && (file.fcntl(Fcntl::F_GETFL) & Fcntl::O_ACCMODE)
        name = file && File.readlink("/proc/self/fd/\#{file.fileno}")
        size = input.read.bytesize
        input.rewind if input.respond_to?(:rewind)
        facts = [input.class.name, mode == Fcntl::O_RDONLY, name.to_s.end_with?("(deleted)"), size,
                 input.read.bytesize]
        [200, {}, [facts.join(" ")]]
      }
    RUBY
    folder = SampleApps.written(application.gsub("\\#", "#"))
    with_server(configuration { |made| made.site("file.test", folder) }) do |own|
      assert_equal "PhusionPassenger::FileInput true true 131073 131073",
                   own.client("file.test").post("/", "x" * 131_073).body
      assert_equal "PhusionPassenger::FileInput true true 300000 300000",
                   own.client("file.test").post_stream("/", StringIO.new("x" * 300_000)).body
      [1, 3_000, 4_000, 131_072].each do |size|
        input, read_only, _, seen, = own.client("file.test").post("/", "x" * size).body.split
        refute_equal "PhusionPassenger::FileInput", input
        assert_equal ["false", size.to_s], [read_only, seen]
      end
    end
  end

  def test_each_body_can_be_read_twice_by_an_application_of_rack_3
    folder = SampleApps.written(<<~'RUBY')
      def Rack.release = "3.1.0"
      run proc { |env|
        input = env["rack.input"]
        sizes = [input.size, input.read.bytesize]
        input.rewind
        [200, {}, [[*sizes, input.read.bytesize].inspect]]
      }
    RUBY
    with_server(configuration { |made| made.site("rack3.test", folder) }) do |own|
      [1_000, 4_000, 60_000, 131_072, 131_073].each do |size|
        assert_equal [size, size, size].inspect,
                     own.client("rack3.test").post("/", "x" * size).body
      end
    end
  end

  def test_other_requests_are_answered_while_uploads_are_half_sent
    hanging = Array.new(5) do
      post("/upload", { "Content-Length" => (2 * HALF).to_s }).write("x" * HALF)
    end
    hanging << post("/upload", { "Content-Length" => "1000" }).write("x")
    hanging << post("/upload", { "Transfer-Encoding" => "chunked" }).write("5\r\nhello\r\n")
    5.times { assert_equal "hello world\n", client.get("/hello").body }
    hanging.first(5).each { |raw| raw.write("x" * HALF) }
    hanging.first(5).each { |raw| assert_equal 2 * HALF, JSON.parse(raw.response.body)["size"] }
  ensure
    hanging&.each(&:close)
  end

  def test_an_application_does_not_see_the_body_of_a_client_that_left
    [{ "Content-Length" => (2 * HALF).to_s }, { "Content-Length" => "200" }].each do |headers|
      post("/slow?seconds=0&started=#{started}", headers).write("x" * [HALF, 100].min).close
    end
    post("/slow?seconds=0&started=#{started}",
         { "Transfer-Encoding" => "chunked" }).write("1000\r\n#{'x' * 100}").abort
    eventually do
      server.log.count(/event=request\.given_up .*left before the end of the request's body/,
                       @log_position) >= 3
    end
    assert_equal "200", client.get("/hello").code
    refute_path_exists started
  end

  def test_a_client_that_stalls_is_given_up_after_the_timeout
    raw = post("/slow?seconds=0&started=#{started}", { "Content-Length" => "1000" },
               "impatient.test").write("x" * 500)
    assert_equal 408, raw.response.status
    refute_path_exists started
  ensure
    raw&.close
  end

  def test_a_broken_chunk_is_a_bad_request_that_the_application_does_not_see
    ["zz\r\n", "5\r\nhello\r\nxyz\r\n", "5\r\nhello world"].each do |broken|
      raw = post("/slow?seconds=0&started=#{started}", { "Transfer-Encoding" => "chunked" })
      raw.write("186a0\r\n#{'x' * 100_000}\r\n#{broken}\r\n")
      assert_equal 400, raw.response.status
      raw.close
    end
    refute_path_exists started
  end

  def test_a_body_over_the_limit_is_refused_before_the_application_sees_it
    path = "/slow?seconds=0&started=#{started}"
    too_long = { "Content-Length" => (LIMIT + 1).to_s }
    assert_equal 413, post(path, too_long, "limited.test").response.status
    assert_equal 413, post(path, too_long.merge("Expect" => "100-continue"),
                           "limited.test").response.status
    raw = post(path, { "Transfer-Encoding" => "chunked" }, "limited.test")
    raw.write("#{(LIMIT + 1).to_s(16)}\r\n#{'x' * (LIMIT + 1)}\r\n0\r\n\r\n")
    assert_equal 413, raw.response.status
    refute_path_exists started
    answer = client("limited.test").post_stream("/upload", Pattern::Reader.new(LIMIT))
    assert_equal LIMIT, JSON.parse(answer.body)["size"]
  end

  def test_a_client_that_asks_first_is_told_to_go_on
    ["rack.test", "streamed.test"].each do |site|
      raw = post("/body", { "Content-Length" => "5", "Expect" => "100-continue" }, site)
      assert_equal 100, raw.read_head.status
      assert_equal "hello", raw.write("hello").response.body
      assert_equal "hello world\n", raw.get("/hello").body
      raw.close
    end
  end

  def test_a_client_that_asks_first_is_not_told_to_go_on_by_an_application_that_does_not_read
    [{ "Content-Length" => "100000" }, { "Transfer-Encoding" => "chunked" },
     { "Content-Length" => "5" }].each do |framing|
      raw = post("/hello", framing.merge("Expect" => "100-continue"), "streamed.test")
      assert_equal [200, "hello world\n"], raw.response.to_a.values_at(0, 2)
      raw.close
      assert_equal "hello world\n", client("streamed.test").get("/hello").body
    end
  end

  def test_a_read_of_the_body_after_the_answer_has_begun_fails
    application = <<~RUBY
      body = Enumerator.new do |out|
        out << "begun"
        $env["rack.input"].read
        out << "never"
      end
      run proc { |env| $env = env; [200, {}, body] }
    RUBY
    with_server(configuration { |made| made.site("late.test", SampleApps.written(application),
                                                 "PassengerBufferUpload off\n") }) do |own|
      raw = own.raw("late.test").request("POST", "/",
                                         { "Content-Length" => "5", "Expect" => "100-continue" })
      # httpd may learn of the failure before it has sent the head.
      assert_includes [:cut, 502], outcome_of(raw)
      raw.close
    end
  end

  def test_applications_that_speak_http_get_the_body_of_a_client_that_asks_first
    directives = "PassengerBufferUpload off\n" \
                 "PassengerAppStartCommand \"#{RbConfig.ruby} server.rb\"\n"
    with_server(configuration { |made| made.site("http.test", SampleApps.copy("http_app"),
                                                 directives) }) do |own|
      [["Content-Length", "5", "hello"],
       ["Transfer-Encoding", "chunked", "5\r\nhello\r\n0\r\n\r\n"]].each do |name, value, body|
        raw = own.raw("http.test").request("POST", "/echo",
                                           { name => value, "Expect" => "100-continue" })
        assert_equal 100, raw.read_head.status
        assert_equal "hello", raw.write(body).response.body
        raw.close
      end
    end
  end

  def test_trailers_are_dropped
    %w[rack.test streamed.test].each do |site|
      raw = post("/env", { "Transfer-Encoding" => "chunked", "Trailer" => "X-Late" }, site)
      environment = JSON.parse(raw.write("5\r\nhello\r\n0\r\nX-Late: yes\r\n\r\n").response.body)
      refute environment.key?("HTTP_X_LATE")
      assert_equal "hello world\n", raw.get("/hello").body
      raw.close
    end
  end

  def test_twenty_requests_with_bodies_at_once_are_answered_in_order
    sizes = Array.new(20) { |number| [number, 5_000 * number, 200_000][number % 3] }
    raw = server.raw
    writer = Thread.new do
      sizes.each_with_index do |size, number|
        raw.request("POST", "/echo",
                    { "X-Nonce" => number.to_s, "Content-Length" => size.to_s }).write("x" * size)
      end
    end
    answers = sizes.map { raw.response.body.split.first(2).map(&:to_i) }
    assert_equal sizes.each_with_index.map { |size, number| [number, size] }, answers
  ensure
    writer&.join
    raw&.close
  end

  def test_with_off_the_application_reads_while_the_body_arrives
    raw = post("/peek?started=#{started}", { "Content-Length" => "100000" },
               "streamed.test").write("x" * 50_000)
    eventually("the first bytes are read") { File.exist?(started) }
    assert_equal 100_000, JSON.parse(raw.write("x" * 50_000).response.body)["size"]
  ensure
    raw&.close
  end

  def test_a_full_disk_is_an_error_that_leaves_nothing_behind
    with_small_disk(256) do |folder|
      # The limits would refuse the uploads before the disk is full.
      unlimited = configuration do |made|
        made.set("PassengerDataBufferDir", folder)
        made.set("PassengerMaxDataBufferSize", 0)
        made.set("PassengerMinDataBufferFreeSpace", 0)
      end
      with_server(unlimited) do |own|
        2.times { assert_disk_full own, folder }
        answer = own.client.post("/upload", Pattern.bytes(200_000))
        assert_equal 200_000, JSON.parse(answer.body)["size"]
      end
    end
  end

  def test_a_folder_that_is_not_there_any_more_is_named
    folder = spool_folder
    with_server(configuration { |made| made.set("PassengerDataBufferDir", folder) }) do |own|
      Dir.rmdir(folder)
      assert_equal "500", own.client.post("/upload", "x" * 200_000).code
      assert_match(/PassengerDataBufferDir.*#{folder}.*No such file/,
                   own.log.wait_for(/event=request\.failed/))
      assert_equal 100_000, JSON.parse(own.client.post("/upload",
                                                       Pattern.bytes(100_000)).body)["size"]
    end
  end

  def test_httpd_refuses_a_folder_in_which_its_user_cannot_make_files
    # Not below /tmp or /var/tmp, as the checkout may be: a test of the configuration lets pass what
    # a service with folders of its own there would have.
    missing = "/nonexistent/passenger-uploads"
    file = File.join(scratch, "file").tap { |path| File.write(path, "") }
    closed = spool_folder.tap do |folder|
      File.chown(0, 0, folder) if TestEnvironment.root?
      File.chmod(0o500, folder)
    end
    refused = { missing => "No such file or directory; make it (install -d -o ",
                file => "Not a directory; name a folder" }
    refused[closed] = "Permission denied; give that user" if TestEnvironment.root?
    refused.each do |folder, reason|
      output, status = check(folder)
      refute status.success?, folder
      assert_includes output, %(PassengerDataBufferDir "#{folder}": httpd's user)
      assert_includes output, reason
      assert_includes output, "or remove the directive for /var/tmp"
    end
  end

  # As in a container whose root file system is read-only.
  def test_httpd_says_at_its_start_that_its_user_cannot_write_to_the_default_folder
    needs_root "mounts a folder"
    skip "the tests are below /var/tmp" if TestEnvironment::WORK_DIR.start_with?("/var/tmp/")
    with_server(configuration { |made| made.mounts["/var/tmp"] = SampleApps.new_folder }) do |own|
      line = own.log.wait_for(%r{PassengerDataBufferDir "/var/tmp": })
      assert_match(/cannot make files there: Permission denied; long uploads fail until/, line)
      assert_equal "500", own.client.post("/upload", "x" * 200_000).code
      assert_equal "200", own.client.post("/upload", "x" * 1000).code
    end
  end

  # A service may have another /var/tmp.
  def test_a_test_of_the_configuration_only_warns_of_a_folder_below_tmp
    Dir.mktmpdir("passenger-test-", "/tmp") do |present|
      File.chmod(0o777, present)
      [present, "/var/tmp/nonexistent/uploads"].each do |folder|
        output, status = check(folder)
        assert status.success?, output
        assert_match(/PassengerDataBufferDir "#{folder}": a service .*PrivateTmp/, output)
      end
    end
  end

  def test_lists_of_httpd_need_no_folder_of_uploads
    %w[-S -M].push("-t -D DUMP_RUN_CFG", "-t -D DUMP_INCLUDES", "-t -D DUMP_MODULES").each do |list|
      output, status = check("/nonexistent/passenger-uploads", list.split)
      assert status.success?, "#{list} #{output}"
    end
  end

  private

  def check(folder, options = ["-t"])
    server = HttpdServer.new(configuration { |made| made.set("PassengerDataBufferDir", folder) })
    server.write_configuration
    Open3.capture2e(server.environment, *server.command(*options), unsetenv_others: true)
  ensure
    server&.destroy
  end

  # Of httpd's user.
  def spool_folder
    folder = File.join(SampleApps.new_folder, "uploads")
    Dir.mkdir(folder)
    TestEnvironment.hand_over(folder)
  end

  # The status of the answer, or :cut if the connection ends within it.
  def outcome_of(raw)
    raw.response.status
  rescue EOFError, Errno::ECONNRESET
    :cut
  end

  def assert_disk_full(own, folder)
    position = own.log.position
    raw = own.raw.request("POST", "/upload", { "Content-Length" => "1000000" }).write("x" * 400_000)
    assert_equal 507, raw.response.status
    line = own.log.wait_for(/event=request\.failed/, from: position)
    assert_match(/PassengerDataBufferDir.*#{folder}.*No space left/, line)
    assert_empty Dir.children(folder)
    eventually("its room is free again") { `df --output=used #{folder}`.lines.last.to_i.zero? }
  ensure
    raw&.close
  end
end
