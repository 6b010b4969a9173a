# frozen_string_literal: true

require "socket"
require "tmpdir"
require_relative "support/prefork_test_case"

# passenger-prefork: where it listens, what it serves, and its errors at the start.
class PreforkCommandTest < PreforkTestCase
  ECHO = <<~APP
    run(lambda do |env|
      size = env["rack.input"].read.bytesize.to_s
      [200, {}, [size, " ", env["PATH_INFO"], " ", ENV["RACK_ENV"]]]
    end)
  APP

  # Output and exit status of a passenger-prefork that cannot begin.
  def ended_by_itself(*arguments, app: PreforkCommand::HELLO, **options)
    @command = PreforkCommand.new(app)
    @command.spawn(*arguments, **options)
    status = @command.wait
    [status, @command.log]
  end

  def test_an_application_is_served
    response = command(*fixed(1), "--environment", "staging", app: ECHO).get("/some/path")
    assert_equal ["200", "0 /some/path staging"], [response.code, response.body]
  end

  def test_a_kept_connection_takes_pipelined_requests_and_chunks
    client = command(*fixed(1), app: ECHO).raw
    client.request("POST", "/a", "Transfer-Encoding" => "chunked").write("5\r\nhello\r\n0\r\n\r\n")
    client.request("GET", "/b").request("POST", "/c", "Content-Length" => "2").write("xy")
    assert_equal ["5 /a development", "0 /b development", "2 /c development"],
                 Array.new(3) { client.response.body }
  ensure
    client&.close
  end

  def test_hostile_heads_are_refused_and_the_next_client_is_served
    made = command(*fixed(1))
    { "nonsense\r\n\r\n" => 400,
      "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n" => 400,
      "GET / HTTP/1.1\r\nHost: a\r\nX: #{'x' * 100_000}\r\n\r\n" => 431,
      "\x16\x03\x01\x02\x00\x01\x00" => 400 }.each do |bytes, status|
      client = made.raw
      response = client.write(bytes).response
      assert_equal status, response.status
      refute_empty response.body
      assert client.ended?
      client.close
    end
    assert_equal "200", made.get.code
  end

  def test_a_large_body_arrives
    client = command(*fixed(1), app: ECHO).raw
    client.request("POST", "/", "Content-Length" => "3000000").write("x" * 3_000_000)
    assert_equal "3000000 / development", client.response.body
  ensure
    client&.close
  end

  def test_a_client_that_takes_its_answer_too_slowly_is_cut_off
    made = command(*fixed(1), "--answer-timeout", "0.3",
                   app: "run ->(_) { [200, {}, ['x' * 50_000_000]] }\n")
    client = made.raw.request("GET", "/")
    slow = /event=client\.slow .*the client did not receive its answer within 0\.3 seconds/
    made.wait_for_log(slow) do
      client.read_bytes(1000)
    end
    # Behind what is under way, which may be megabytes.
    assert_raises(EOFError, Errno::ECONNRESET) { 1_000.times { client.read_bytes(40_000) } }
  ensure
    client&.close
  end

  def test_the_command_listens_at_several_addresses
    Dir.mktmpdir do |folder|
      path = File.join(folder, "socket")
      made = command(*fixed(1), "--listen", "[::1]:0", "--unix", path, "--socket-mode", "0640")
      six = made.log[/address=http:\/\/\[::1\]:(\d+)/, 1].to_i
      sockets = [TCPSocket.new("::1", six), UNIXSocket.new(path)]
      sockets.each do |socket|
        socket.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert socket.read.start_with?("HTTP/1.1 200 OK\r\n")
        socket.close
      end
      assert_equal 0o640, File.stat(path).mode & 0o777
      made.signal(:TERM)
      assert_equal 0, made.wait
      refute_path_exists path
    end
  end

  def test_a_stale_socket_is_replaced_and_a_live_one_is_not
    Dir.mktmpdir do |folder|
      path = File.join(folder, "socket")
      UNIXServer.new(path).close
      made = command(*fixed(1), "--unix", path)
      other = PreforkCommand.new
      other.spawn("--unix", path, listen: [])
      assert_equal 1, other.wait
      assert_match(/#{Regexp.escape(path)}.*another process listens there/, other.log)
      UNIXSocket.new(path).close
      assert_equal "200", made.get.code
    ensure
      other&.stop
    end
  end

  def test_sockets_of_systemd_are_taken
    server = TCPServer.new("127.0.0.1", 0)
    # LISTEN_PID is the pid of the program. Only a shell that executes the program knows it.
    @command = PreforkCommand.new
    @command.spawn_by(["sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', "sh"], *fixed(1),
                      listen: [], 3 => server)
    @command.wait_for_log(/event=prefork\.ready/)
    assert_equal 1, @command.log.scan("event=prefork.listening").size
    assert_equal "200", Net::HTTP.get_response("127.0.0.1", "/", server.addr[1]).code
  ensure
    server&.close
  end

  def test_a_port_in_use_is_an_error_that_names_it
    taken = TCPServer.new("127.0.0.1", 0)
    status, text = ended_by_itself(listen: ["--listen", "127.0.0.1:#{taken.addr[1]}"])
    assert_equal 1, status
    address = /127\.0\.0\.1:#{taken.addr[1]}/
    assert_match(/#{address}: Address already in use; another server listens there/, text)
  ensure
    taken&.close
  end

  def test_an_application_that_does_not_load_is_an_error_with_its_reason
    status, text = ended_by_itself(*fixed(1), app: "raise 'no database'\n")
    assert_equal 1, status
    assert_match(/no database/, text)
    assert_match(/event=prefork\.failed reason="the application does not load/, text)
  end

  # As at systemd's TasksMax, for the application, for its hook, and for the worker itself. Ruby 3.3
  # hangs once it could not make a thread.
  def test_a_worker_that_gets_no_thread_ends_and_says_so
    hook = "PhusionPassenger.on_event(:starting_worker_process)"
    ["Thread.new { sleep }\n", "#{hook} { Thread.new { sleep } }\n", ""].each do |more|
      status, text = ended_by_itself(*fixed(1), app: "#{<<~APP}#{more}#{PreforkCommand::HELLO}")
        Process::UID.change_privilege(65_534) if Process.uid.zero?
        Process.setrlimit(Process::RLIMIT_NPROC, 1)
      APP
      assert_equal 1, status
      assert_match(/STDERR: ThreadError: can't create Thread/, text)
      assert_match(/event=prefork\.failed/, text)
      @command.stop
    end
  end

  def test_wrong_options_are_errors_that_say_what_is_right
    @command = PreforkCommand.new
    FileUtils.rm(File.join(@command.folder, "config.ru"))
    @command.spawn
    assert_equal 2, @command.wait
    assert_match(/there is no .*config\.ru: name the folder of a Rack application/, @command.log)
    @command.stop
    { %w[--bogus] => /--bogus/, %w[--listen ::1:80] => /write IPv6 in brackets/,
      %w[--listen x] => /write ADDRESS:PORT/,
      %w[--socket-mode 9] => /octal digits/, %w[--start x] => /--start x is not a number/,
      %w[--answer-timeout 0] => /write seconds above 0/, %w[--grace x] => /--grace x is not a time/,
      %w[/srv /srv2] => /is too much/ }.each do |arguments, message|
      status, text = ended_by_itself(*arguments)
      assert_equal 2, status
      assert_match message, text
      @command.stop
    end
  end

  def test_the_application_s_own_output_has_its_worker_s_pid
    app = "puts 'loading'\nrun ->(env) { $stdout.puts 'called'; warn 'warned'; [200, {}, []] }\n"
    made = command(*fixed(1), app: app)
    worker = made.workers.first
    made.get
    ["#{worker} STDOUT: loading", "#{worker} STDOUT: called",
     "#{worker} STDERR: warned"].each do |line|
      made.wait_for_log(/^#{line}$/)
    end
  end

  # Threads and children of the worker print while it is free. Their last output has come before the
  # monitor answers.
  def test_an_application_may_print_any_bytes
    made = command(*fixed(1), app: <<~'APP')
      run lambda { |_|
        Thread.new do
          sleep 0.02 until File.exist?(File.join(__dir__, "go_on"))
          $stdout.write("\xFF\xFEB\xFE\xFF".b)
          system("printf '\\377\\376B\\376\\377\\nprinted\\n'")
        end
        [200, {}, []]
      }
    APP
    made.get
    eventually("a free worker") { made.status.values_at("busy", "free") == [0, 1] }
    FileUtils.touch(File.join(made.folder, "go_on"))
    made.wait_for_log(/^\d+ STDOUT: printed$/)
    assert_equal [0, 1], made.status.values_at("busy", "free")
    assert_includes made.log, " STDOUT: ??B????B??\n"
  end
end
