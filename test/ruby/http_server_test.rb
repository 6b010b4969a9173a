# frozen_string_literal: true

require_relative "http_server_test_case"

module PhusionPassenger
  # A worker without other workers.
  class HttpServerTest < HttpServerTestCase
    # The server keeps strings for the next requests. No application gets these, since it may change
    # its strings.
    def test_changes_of_an_environment_affect_no_other_request
      seen = []
      app = lambda do |env|
        seen << env.select { |_, value| value.is_a?(String) }.transform_values(&:dup)
        env.each_value { |value| value << "!" if value.is_a?(String) && !value.frozen? }
        [200, {}, ["x"]]
      end
      serve(app) do
        2.times { answers(get("/", "Connection: close")) }
        kept = connect
        2.times { kept.write(get("/")) && answer(kept) }
      end
      first, second, third, fourth = seen
      assert_equal first, second
      assert_equal third, fourth
      assert_equal "127.0.0.1", fourth["REMOTE_ADDR"]
    end

    def test_a_connection_is_kept
      serve(->(env) { [200, {}, [env["PATH_INFO"]]] }) do
        socket = connect
        2.times do |index|
          socket.write(get("/#{index}"))
          head, body = answer(socket)
          assert_equal "/#{index}", body
          assert head.start_with?("HTTP/1.1 200 OK\r\n"), head
          refute_match(/^Connection:/, head)
          assert_match(/^Date: \w+, \d\d \w+ \d+ [\d:]+ GMT\r$/, head)
        end
      end
    end

    def test_pipelined_requests_are_answered_in_turn
      serve(->(env) { [200, {}, [env["PATH_INFO"] + env["rack.input"].read]] }) do
        text = answers("POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n" \
                       "xy#{get('/2')}#{get('/3', 'Connection: close')}")
        assert_equal %w[/1xy /2 /3], text.scan(%r{^/.+?(?=HTTP|\z)})
      end
    end

    def test_http_1_0_ends_its_connection
      serve(app) do
        assert_match(/\AHTTP\/1\.1 200 OK\r\n.*^Connection: close\r\n.*\r\n\r\nhello\z/m,
                     answers("GET / HTTP/1.0\r\n\r\n"))
      end
    end

    def test_http_1_0_may_keep_its_connection
      serve(app) do
        socket = connect
        2.times do
          socket.write("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
          head, body = answer(socket)
          assert_match(/^Connection: keep-alive\r$/, head)
          assert_equal "hello", body
        end
      end
    end

    def test_a_body_without_a_length_comes_in_chunks
      serve(app(%w[a bc].each)) do
        assert_match(/^Transfer-Encoding: chunked\r\n.*\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n\z/m,
                     answers(get("/", "Connection: close")))
      end
    end

    def test_a_body_without_a_length_ends_with_the_connection_for_http_1_0
      serve(app(%w[a bc].each)) do
        text = answers("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert_match(/^Connection: close\r\n.*\r\n\r\nabc\z/m, text)
        refute_match(/chunked/, text)
      end
    end

    def test_answers_without_a_body_have_none
      serve(->(env) { [env["PATH_INFO"].delete("/").to_i, { "Content-Length" => "5" },
                       ["hello"]] }) do
        socket = connect
        socket.write("HEAD /200 HTTP/1.1\r\nHost: a\r\n\r\n" \
                     "#{get('/304')}#{get('/204', 'Connection: close')}")
        text = in_time { socket.read }
        assert_equal %w[200 304 204], text.scan(%r{^HTTP/1.1 (\d+)}).flatten
        refute_match(/hello/, text)
      end
    end

    def test_the_body_is_as_long_as_its_length_says
      serve(app(["hello, and more"], "Content-Length" => "5")) do
        log = logged do
          assert_match(/\r\n\r\nhelloHTTP.*\r\n\r\nhello\z/m,
                       answers(get + get("/", "Connection: close")))
        end
        assert_includes log, "response.too_long"
      end
    end

    def test_a_body_that_is_too_short_ends_the_connection
      serve(app(["hi"], "Content-Length" => "5")) do
        log = logged { assert_raises(Errno::ECONNRESET) { answers(get + get) } }
        assert_includes log, "response.too_short"
      end
    end

    def test_a_broken_application_is_answered_500_and_the_connection_goes_on
      serve(->(env) { env["PATH_INFO"] == "/" ? raise("broken") : [200, {}, ["fine"]] }) do
        logged do
          text = answers(get + get("/fine", "Connection: close"))
          assert_equal %w[500 200], text.scan(%r{HTTP/1.1 (\d+)}).flatten
        end
      end
    end

    def test_an_application_that_breaks_in_its_body_gives_no_second_answer
      body = Enumerator.new { |pieces| (pieces << "some") && raise("broken") }
      serve(app(body)) do
        socket = connect
        logged do
          socket.write(get)
          text = +""
          assert_raises(Errno::ECONNRESET, EOFError) do
            in_time { loop { text << socket.readpartial(1000) } }
          end
          assert_equal 1, text.scan("HTTP/1.1").size
          refute_includes text, "0\r\n\r\n"
        end
      end
    end

    def test_a_bad_request_gets_the_reason_and_ends_its_connection
      serve(->(_) { flunk }) do
        reason = %r{the request is not HTTP/1\.1\n}
        status = %r{HTTP/1\.1 400 Bad Request}
        assert_match(/\A#{status}\r\n.*^Connection: close\r\n.*\r\n\r\n#{reason}\z/m,
                     answers("nonsense\r\n\r\n#{get}"))
        assert_match(/\AHTTP\/1\.1 431 /, answers("GET / HTTP/1.1\r\nA: #{'a' * 90_000}\r\n\r\n"))
      end
    end

    def test_the_client_is_asked_for_a_body
      serve(->(env) { [200, {}, [env["rack.input"].read]] }) do
        socket = connect
        socket.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n" \
                     "\r\n")
        assert_equal "HTTP/1.1 100 Continue\r\n\r\n", in_time { socket.readpartial(1000) }
        socket.write("xy")
        assert_equal "xy", answer(socket)[1]
      end
    end

    def test_a_silent_connection_delays_no_other
      serve(app) do
        idle = Array.new(20) { connect }
        idle[0].write("GET / HT")
        idle[1].write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        assert_match(/hello\z/, answers(get("/", "Connection: close")))
        idle.each(&:close)
      end
    end

    def test_a_client_that_does_not_read_delays_no_other
      large = "x" * 8_000_000
      serve(->(env) { [200, {}, [env["PATH_INFO"] == "/large" ? large : "small"]] },
            patience: 0.3) do
        socket = connect
        logged do
          socket.write(get("/large"))
          assert_match(/small\z/, answers(get("/", "Connection: close")))
        end
      end
    end

    def test_a_large_answer_reaches_a_slow_client
      large = Random.bytes(3_000_000)
      serve(app([large])) do
        socket = connect
        socket.write(get)
        head = in_time { socket.gets("\r\n\r\n") }
        assert_match(/^Content-Length: 3000000\r$/, head)
        assert_equal large, in_time { socket.read(large.bytesize) }
        socket.write(get)
        assert_includes in_time { socket.gets("\r\n\r\n") }, "200 OK"
      end
    end

    def test_slow_requests_time_out
      serve(app) do
        slow = ["GET / HT", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc"]
          .map { |bytes| begun(bytes) }
        silent = accepted
        put_forward(HttpServer::LIMITS.request + 1)
        slow.each do |socket|
          assert_match(/\AHTTP\/1\.1 408 /, in_time { socket.readpartial(1000) }) && socket.close
        end
        assert_equal "", in_time { silent.read }
      end
    end

    def test_a_request_that_keeps_coming_times_out_too
      serve(app) do
        socket = begun("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n\r\n")
        eventually("an answer") do
          socket.write("x")
          put_forward(1)
          socket.wait_readable(0.02)
        end
        assert_match(/\AHTTP\/1\.1 408 /, in_time { socket.readpartial(1000) })
        socket.close
      end
    end

    def test_the_idle_time_begins_at_the_end_of_the_request
      idle = HttpServer::LIMITS.idle
      serve(->(env) { (env["PATH_INFO"] == "/" || put_forward(idle * 2)) && [200, {}, ["x"]] }) do
        socket = connect
        socket.write(get("/long"))
        answer(socket)
        put_forward(idle / 2)
        sleep 0.1 # deadlines are looked at meanwhile
        socket.write(get)
        assert_equal "x", answer(socket)[1]
      end
    end

    def test_at_the_limit_new_connections_are_left_to_other_workers
      serve(app, connections: 1) do
        first = begun("GET / HT")
        second = connect
        second.write(get("/", "Connection: close"))
        assert_nil IO.select([second], nil, nil, 0.3)
        first.write("TP/1.1\r\nHost: a\r\n\r\n")
        assert_equal "hello", answer(first)[1]
        assert_match(/hello\z/, in_time { second.read })
      end
    end

    def test_a_body_that_cannot_be_stored_is_refused
      post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n#{'x' * 200_000}"
      serve(app) do
        { 507 => -> { File.open("/dev/full", "r+b").tap { |file| file.sync = true } },
          503 => -> { raise Errno::EMFILE } }.each do |status, open|
          log = logged do
            UnlinkedFile.stub(:open, open) do
              assert_match(/\AHTTP\/1\.1 #{status} /, answers(post))
            end
          end
          assert_includes log, "body.failed"
        end
        assert_match(/hello\z/, answers(get("/", "Connection: close")))
      end
    end

    def test_a_failing_connection_ends_no_other
      serve(app) do
        log = logged do
          part(:service).stub(:serve, ->(*) { raise "broken" }) { assert_equal "", answers(get) }
        end
        assert_includes log, "connection.failed"
        assert_match(/hello\z/, answers(get("/", "Connection: close")))
      end
    end

    def test_a_worker_without_its_monitor_ends
      logged do
        assert_raises(Errno::EPIPE) do
          serve(app) { [@told[0].close, answers(get)] }
        end
      end
    end

    # The client's socket counts as writable only when a third of its buffer is free.
    def test_a_client_that_reads_slowly_gets_the_whole_answer
      large = Random.bytes(1_500_000)
      serve(app([large]), send_buffer: 400_000, patience: 60, acknowledge: 0.02) do
        socket = slow_reader(65_536)
        connection = eventually("the connection") { @server.idle_connections.first }.extend(Clock)
        socket.write(get("/", "Connection: close"))
        text = +"".b
        14.times do
          sleep 0.05 # so that the server looks
          connection.put_forward(6)
          text << in_time { socket.readpartial(16_384) }
        end
        text << in_time { socket.read }
        assert text.end_with?(large), "only #{text.bytesize} bytes came"
      end
    end

    def test_a_client_that_reads_too_slowly_is_disconnected
      serve(app(["x" * 8_000_000]), send_buffer: 400_000, patience: 5, answer: 0.2) do
        socket = slow_reader(65_536)
        log = logged do
          socket.write(get)
          assert_raises(Errno::ECONNRESET) do
            in_time { loop { sleep(0.05) && socket.readpartial(16_384) } }
          end
        end
        assert_includes log, "the client did not receive its answer within 0.2 seconds"
      end
    end

    def test_a_worker_that_waits_for_a_slow_client_gives_signs_of_life
      serve(app(["x" * 8_000_000]), send_buffer: 400_000, patience: 60, acknowledge: 0.02) do
        socket = slow_reader(65_536)
        socket.write(get("/", "Connection: close"))
        in_time { nil until @told[0].read(5) == PreforkReport::BUSY }
        assert_equal PreforkReport::ACK * 20, in_time { @told[0].read(100) }
        assert in_time { socket.read }.end_with?("x")
      end
    end

    def slow_reader(buffer)
      socket = closing(Socket.new(:INET, :STREAM))
      socket.setsockopt(Socket::SOL_SOCKET, Socket::SO_RCVBUF, buffer)
      socket.connect(Addrinfo.tcp("127.0.0.1", @port))
      socket
    end

    def test_without_an_idle_time_no_connection_is_kept
      serve(app, idle: 0) { assert_match(/^Connection: close\r\n.*\r\n\r\nhello\z/m, answers(get)) }
    end

    def test_idle_connections_end_without_an_answer
      serve(app, idle: 0.1) { assert_match(/hello\z/, answers(get)) }
    end

    def test_a_hijacked_connection_is_the_application_s
      hijacker = lambda do |env|
        io = env["rack.hijack"].call
        Thread.new { io.write("mine: #{io.readpartial(100)}") && io.close }
        [200, {}, []]
      end
      serve(hijacker) { assert_equal "mine: early", answers("#{get}early") }
    end

    def test_a_connection_can_be_hijacked_after_a_head
      taker = ->(io) { io.write("streamed") && io.close }
      serve(app([], { "rack.hijack" => taker, "Content-Type" => "x/y" })) do
        head = %r{\AHTTP/1\.1 200 OK\r\nContent-Type: x/y\r\n.*Connection: close\r\n.*\r\n\r\n}m
        assert_match(/#{head}streamed\z/, answers(get))
      end
    end

    def test_a_worker_waits_for_no_stream_whose_client_has_left
      called = Thread::Queue.new
      body = ->(stream) { called << stream }
      serve(app(body)) do
        socket = connect
        socket.write(get)
        stream = in_time { called.pop }
        socket.close
        eventually("the end of the answer") { stream.closed? }
      end
    end

    def test_a_worker_that_ends_answers_its_request_with_connection_close
      entered = Thread::Queue.new
      go_on = Thread::Queue.new
      serve(->(_) { entered.push(1) && go_on.pop && [200, {}, ["done"]] }) do
        socket = connect
        socket.write(get)
        in_time { entered.pop }
        @server.finish
        go_on << 1
        assert_match(/^Connection: close\r\n.*done\z/m, in_time { socket.read })
      end
    end

    def test_a_worker_that_ends_takes_one_more_request_of_an_idle_connection
      serve(app) do
        socket = connect
        socket.write(get)
        answer(socket)
        @giving.shutdown(:WR) # as where all end
        clocks.fetch(@server).stand_still
        @server.finish
        eventually { refused? }
        socket.write(get)
        assert_match(/^Connection: close\r\n.*hello\z/m, in_time { socket.read })
      end
    end

    # The connections become ready and are given away in the same pass.
    def test_bytes_after_the_last_request_do_not_cut_the_answer
      go = Thread::Queue.new
      waits = lambda do |_|
        go.pop
        [200, { "Content-Length" => "3000000" }, ["x" * 3_000_000]]
      end
      serve(waits) do
        socket = connect
        socket.write(get("/", "Connection: close"))
        # The request was read when the application runs.
        in_time { Thread.pass until go.num_waiting == 1 }
        socket.write(get)
        go << true
        assert_equal 3_000_000, answer(socket)[1].bytesize
        assert_nil in_time { socket.read(1) }
      end
    end

    def test_a_worker_that_ends_gives_connections_away_that_are_ready
      others = []
      ender = lambda do |env|
        sleep 0.05 if env["PATH_INFO"] == "/long"
        others.each { |socket| socket.write(get) }
        @server.finish if others.any?
        [200, {}, ["done"]]
      end
      serve(ender) do
        # A long usual time: the two connections would wait too long here.
        answers(get("/long", "Connection: close"))
        2.times { others << connect }
        eventually { @server.idle_connections.size == 2 }
        assert_match(/done\z/, answers(get))
      end
    end

    def test_busy_and_free_are_reported_once_for_a_row_of_requests
      serve(app) do
        assert_equal 4, answers(get + get + get + get("/", "Connection: close")).scan("hello").size
        # The first request reports once more.
        told = in_time { @told[0].read(20) }
        assert_equal [PreforkReport::BUSY, PreforkReport::NOT_BUSY].join * 2, told
        assert_nil @told[0].read_nonblock(5, exception: false).then { |more|
          more == :wait_readable ? nil : more
        }
      end
    end
  end
end
