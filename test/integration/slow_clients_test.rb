# frozen_string_literal: true

require "openssl"
require "zlib"
require_relative "support/integration_test"

# Clients that are slower than their application, with a pool of one. The instance is free at once,
# and few threads of httpd wait.
class SlowClientsTest < IntegrationTest
  # Far more than the sockets between two processes hold: 4 MB and 6 MB (tcp_wmem, tcp_rmem).
  LARGE = 24_000_000
  WATERMARK = 32 * 1024 * 1024
  THREADS = 4
  PATIENT = 300
  # Frames without an end, as of a camera.
  LIVE = <<~'RUBY'
    frames = Enumerator.new { |frame| loop { frame << "x" * 50_000; sleep 0.03 } }
    run(proc { [200, { "Content-Type" => "multipart/x-mixed-replace" }, frames] })
  RUBY

  serve do |made|
    made.set("PassengerMaxPoolSize", 1)
    made.mpm = "event"
    made.mpm_settings = "StartServers 1\nServerLimit 1\nThreadsPerChild #{THREADS}\n" \
                        "MaxRequestWorkers #{THREADS}\n" \
                        "MinSpareThreads 1\nMaxSpareThreads #{THREADS}\n" \
                        "AsyncRequestWorkerFactor 10\nMaxConnectionsPerChild 0"
    made.tls_port = UnusedPort.find
    deflate = File.join(TestEnvironment.modules_dir, "mod_deflate.so")
    # httpd must not give up a client that reads nothing: that would free the instance, too.
    made.main_directives << "Timeout #{PATIENT}\nKeepAliveTimeout #{PATIENT}\n" \
                            "LoadModule deflate_module #{deflate}\n" \
                            "LoadModule filter_module #{deflate.sub('deflate', 'filter')}\n"
    made.site("rack.test", SampleApps.rack)
    made.site("deflated.test", SampleApps.rack, "SetOutputFilter DEFLATE\n")
    made.site("tls.test", SampleApps.rack, tls: true)
  end

  # Reads until the answer has begun, and then nothing.
  def stall(path, headers = {}, site: "rack.test", from: server)
    raw = from.raw(site).request("GET", path, headers)
    [raw, raw.read_head]
  end

  def assert_free(of = server)
    client = of.client("rack.test", timeout: 60)
    3.times { assert_equal "hello world\n", client.get("/hello").body }
  end

  def assert_arrives(raw, size)
    assert_equal Pattern.digest(size), OpenSSL::Digest::SHA256.hexdigest(raw.read_bytes(size))
  end

  def test_a_client_that_reads_nothing_keeps_no_instance_and_gets_its_answer_later
    raw, = stall("/download?bytes=#{LARGE}")
    assert_free
    assert_arrives raw, LARGE
    assert_equal "hello world\n", raw.get("/hello").body
  ensure
    raw&.close
  end

  def test_more_slow_clients_than_httpd_has_threads_keep_no_instance
    raws = Array.new(3 * THREADS) { stall("/download?bytes=#{LARGE}").first }
    assert_free
    raws.first(2).each { |raw| assert_arrives raw, LARGE }
  ensure
    raws&.each(&:close)
  end

  def test_answers_of_all_sizes_are_buffered_for_slow_clients
    [100_000, 3_000_000, 5_000_000, 10_000_019].each do |size|
      [65_521, 1_000].each do |piece|
        raw, = stall("/download?bytes=#{size}&piece=#{piece}")
        assert_free
        assert_arrives raw, size
        raw.close
      end
    end
  end

  def test_a_pipelined_request_behind_an_unread_answer_is_answered
    raw = server.raw
    2.times { raw.request("GET", "/download?bytes=#{LARGE}") }
    2.times do
      raw.read_head
      assert_arrives raw, LARGE
    end
  ensure
    raw&.close
  end

  def test_the_buffered_part_of_a_dead_application_s_answer_is_sent_and_does_not_look_whole
    raw, head = stall("/die_midway?bytes=#{LARGE}")
    assert_equal (2 * LARGE).to_s, head["Content-Length"]
    eventually("the application's death") do
      server.log.text(@log_position).include?("response cut short")
    end
    assert_equal LARGE, raw.read_bytes(LARGE).bytesize
    assert raw.ended?
  ensure
    raw&.close
  end

  def test_the_buffered_part_of_a_dead_application_s_chunked_answer_does_not_look_whole
    raw, head = stall("/die_midway?bytes=#{LARGE}&length=no")
    assert_equal "chunked", head["Transfer-Encoding"]
    eventually("the application's death") do
      server.log.text(@log_position).include?("response cut short")
    end
    received = 0
    assert_raises(EOFError, Errno::ECONNRESET) { received += raw.read_chunk.bytesize while true }
    assert_equal LARGE, received
  ensure
    raw&.close
  end

  def test_a_client_that_leaves_frees_its_buffer
    raws = Array.new(3) { stall("/download?bytes=#{LARGE}").first }
    assert_free
    raws.each(&:abort)
    eventually("the files are closed") { open_files.empty? }
    assert_free
  end

  def test_slow_clients_over_tls_keep_no_instance
    raw = secure("/download?bytes=#{LARGE}")
    assert_free
    body = raw.read.split("\r\n\r\n", 2).last
    assert_equal Pattern.digest(LARGE), OpenSSL::Digest::SHA256.hexdigest(body)
  ensure
    raw&.close
  end

  # Data of an application that pauses arrives at once, whatever is between the application and its
  # client.
  def test_pieces_arrive_one_by_one_over_tls
    path = fifo
    raw = secure("/stream?fifo=#{path}&pieces=3")
    read_until(raw, "\r\n\r\n")
    3.times do |number|
      release(path)
      read_until(raw, "piece #{number}\n")
    end
  ensure
    raw&.close
  end

  def test_pieces_arrive_one_by_one_behind_a_filter
    path = fifo
    raw, head = stall("/stream?fifo=#{path}&pieces=3", { "Accept-Encoding" => "gzip" },
                      site: "deflated.test")
    assert_equal "gzip", head["Content-Encoding"]
    inflater = Zlib::Inflate.new(Zlib::MAX_WBITS + 16)
    3.times do |number|
      release(path)
      text = +""
      text << inflater.inflate(raw.read_chunk) until text.end_with?("\n")
      assert_equal "piece #{number}\n", text
    end
  ensure
    raw&.close
  end

  def test_slow_clients_over_http2_keep_no_instance
    with_http2 do |own|
      [1_000_000, LARGE].each do |size|
        curl(own, "/download?bytes=#{size}", "--limit-rate", "50k") do |output|
          output.readpartial(1)
          assert_free own
        end
      end
      curl(own, "/download?bytes=#{LARGE}") do |output|
        assert_equal Pattern.digest(LARGE), OpenSSL::Digest::SHA256.hexdigest(output.read)
      end
    end
  end

  def test_an_application_that_pauses_in_a_large_answer_waits_for_a_piece_at_most_over_http2
    # curl writes the body to no pipe, which would be full, so that curl would take nothing more.
    takes = %w[--limit-rate 50k --output /dev/null --dump-header -]
    with_http2 do |own|
      curl(own, "/download?bytes=#{LARGE}&pause=0.5", *takes) do |output|
        output.readpartial(1)
        assert_free own
      end
      curl(own, "/download?bytes=#{LARGE}&pause=0.5") do |output|
        assert_equal Pattern.digest(LARGE), OpenSSL::Digest::SHA256.hexdigest(output.read)
      end
    end
  end

  def test_pieces_arrive_one_by_one_over_http2
    with_http2 do |own|
      path = fifo
      curl(own, "/stream?fifo=#{path}&pieces=3") do |output|
        3.times do |number|
          release(path)
          assert_equal "piece #{number}\n", output.gets
        end
      end
    end
  end

  # The file would be full after more than a minute.
  def test_a_stream_with_short_pauses_arrives_while_it_lasts_over_http2
    with_http2 do |own|
      curl(own, "/", site: "live.test") do |output|
        assert_equal 2_000_000, output.read(2_000_000).size
      end
      2.times { curl(own, "/", site: "live.test") { |output| output.read(10) } }
    end
  end

  def test_the_time_of_a_slow_client_over_http2_is_not_the_time_of_the_application
    with_http2("PassengerMaxRequestTime 3\nPassengerResponseBufferHighWatermark 131072\n") do |own|
      in_one_of(3) do
        pid = eventually("an instance") { own.client("rack.test").pid }
        curl(own, "/download?bytes=30000000", "--limit-rate", "4M") do |output|
          assert_equal Pattern.digest(30_000_000), OpenSSL::Digest::SHA256.hexdigest(output.read)
        end
        assert_equal pid, own.client("rack.test").pid
      end
    end
  end

  def test_slow_clients_behind_a_filter_keep_no_instance
    raw, = stall("/download?bytes=#{LARGE}", { "Accept-Encoding" => "gzip" }, site: "deflated.test")
    assert_free
  ensure
    raw&.close
  end

  def test_beyond_the_watermark_the_application_waits
    with_server(limited("PassengerResponseBufferHighWatermark #{WATERMARK}\n")) do |own|
      size = 3 * WATERMARK
      raw, = stall("/download?bytes=#{size}", from: own)
      assert_operator at_rest(own), :<=, WATERMARK + 200_000
      assert_equal "0", waiting(own) { assert_arrives raw, size }
      raw.close
    end
  end

  def test_a_full_disk_makes_the_application_wait
    folder = File.join(SampleApps.new_folder, "answers").tap { |path| Dir.mkdir(path) }
    TestEnvironment.hand_over(folder)
    with_server(limited("PassengerDataBufferDir #{folder}\n")) do |own|
      Dir.rmdir(folder)
      raw, = stall("/download?bytes=#{LARGE}", from: own)
      assert_match(/#{folder}/, own.log.wait_for(/event=response\.not_buffered/))
      assert_arrives raw, LARGE
      raw.close
    end
  end

  def test_a_client_that_takes_nothing_for_the_timeout_is_given_up
    with_server(limited("PassengerResponseBufferHighWatermark 1000000\nTimeout 2\n")) do |own|
      # On a machine that stalls, the request itself may be too late.
      raw, = eventually("a request in time") do
        stall("/download?bytes=#{LARGE}", from: own).tap do |_, head|
          assert_equal 200, head.status
        end
      end
      own.log.wait_for(/event=request\.given_up .*the client read nothing/)
      eventually("a free instance") { assert_free own }
      raw.close
    end
  end

  # curl reads no more than its output takes.
  def test_a_client_that_takes_nothing_for_the_timeout_is_given_up_over_http2
    with_http2("PassengerResponseBufferHighWatermark 1000000\nTimeout 2\n") do |own|
      curl(own, "/download?bytes=#{LARGE}") do |output|
        output.readpartial(1)
        eventually("a free instance") { assert_free own }
      end
    end
  end

  # The connection lives on.
  def test_a_stream_without_a_window_for_the_timeout_is_given_up_over_http2
    with_http2("PassengerResponseBufferHighWatermark 1000000\nTimeout 2\n") do |own|
      socket = TCPSocket.new("127.0.0.1", own.port)
      path = "/download?bytes=#{LARGE}"
      head = "\x82\x86\x01\x09rack.test\x04#{path.size.chr}#{path}".b
      socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", frame(4, 0, ""), frame(1, 1, head))
      socket.readpartial(1)
      alive = Thread.new { loop { socket.write(frame(6, 0, "12345678")) and sleep 0.1 } }
      eventually("a free instance") { assert_free own }
      assert_predicate alive, :alive?
    ensure
      alive&.kill&.join
      socket&.close
    end
  end

  private

  def limited(directives)
    configuration do |made|
      made.main_directives << "PassengerMaxPoolSize 1\nTimeout #{PATIENT}\n" << directives
      made.site("rack.test", SampleApps.rack)
      made.site("live.test", SampleApps.written(LIVE))
    end
  end

  # True if another request has to wait until the block has ended.
  def waiting(own)
    other = Thread.new { own.client("rack.test", timeout: 60).get("/hello").code }
    refute other.join(0.5), "the instance waits for its client"
    yield
    other.value == "200" ? "0" : other.value
  end

  def with_http2(directives = "", &block)
    http2 = File.join(TestEnvironment.modules_dir, "mod_http2.so")
    skip "needs mod_http2" unless File.exist?(http2)
    lines = "LoadModule http2_module #{http2}\nProtocols h2c http/1.1\n#{directives}"
    with_server(limited(lines), &block)
  end

  # A frame of HTTP/2; of HEADERS (type 1) the only one of its request.
  def frame(type, stream, payload)
    [0, payload.bytesize, type, type == 1 ? 5 : 0, stream].pack("CnCCN") + payload
  end

  # Yields the output of curl, and ends it.
  def curl(own, path, *options, site: "rack.test")
    command = ["curl", "--silent", "--no-buffer", "--http2-prior-knowledge", "--max-time", "60",
               *options,
               "--header", "Host: #{site}", "http://127.0.0.1:#{own.port}#{path}"]
    IO.popen(command, "rb") do |output|
      yield output
    ensure
      Process.kill(:KILL, output.pid)
    end
  end

  def secure(path)
    socket = TCPSocket.new("127.0.0.1", server.configuration.tls_port)
    tls = OpenSSL::SSL::SSLSocket.new(socket)
    tls.sync_close = true
    tls.hostname = "tls.test"
    tls.connect
    tls.write("GET #{path} HTTP/1.1\r\nHost: tls.test\r\nConnection: close\r\n\r\n")
    tls
  end

  def read_until(tls, mark)
    text = +"".b
    text << tls.readpartial(65_536) until text.include?(mark)
    text
  end

  def open_files(of = server)
    of.tree.processes.flat_map do |process|
      Dir.glob("/proc/#{process.pid}/fd/*").select do |fd|
        File.readlink(fd).match?(%r{\A/var/tmp/.*\(deleted\)}) rescue false
      end
    end
  end

  # The bytes of the files that hold the answer, once they grow no more.
  def at_rest(of)
    last = nil
    eventually("a full buffer", every: 0.3) do
      before, last = last, open_files(of).sum { |fd| File.stat(fd).size }
      last if last == before && last > WATERMARK / 2
    end
  end
end
