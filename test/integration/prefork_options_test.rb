# frozen_string_literal: true

require "open3"
require "socket"
require "tmpdir"
require_relative "support/prefork_test_case"
require_relative "support/small_disk"

# passenger-prefork: its options, and its Unix sockets over its whole life.
class PreforkOptionsTest < PreforkTestCase
  include SmallDisk

  def setup
    @scratch = Dir.mktmpdir
  end

  def teardown
    super
    FileUtils.rm_rf(@scratch)
  end

  def path(name)
    File.join(@scratch, name)
  end

  # What the worker answers there.
  def ask(socket_path)
    UNIXSocket.open(socket_path) do |socket|
      socket.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
      socket.read.split("\r\n\r\n", 2).last
    end
  end

  def test_each_worker_says_how_long_it_took_to_load
    made = command(*fixed(2))
    assert_equal made.workers.sort,
                 made.log.scan(/event=worker\.ready pid=(\d+) booted_in=\d+\.\d\ds$/)
                   .flatten.map(&:to_i).sort
  end

  # Otherwise sockets and pipes of passenger-prefork would get these numbers, and what is written
  # there.
  def test_closed_standard_descriptors_are_opened_as_dev_null
    @command = PreforkCommand.new
    pid_file = File.join(@command.folder, "pid")
    @command.spawn_by(["sh", "-c", "exec \"$@\" <&- >&- 2>&-", "sh"], *fixed(1), "--pid-file",
                      pid_file)
    eventually("the pid file") { File.size?(pid_file) }
    links = 3.times.map { |number| File.readlink("/proc/#{@command.pid}/fd/#{number}") }
    assert_equal ["/dev/null"] * 3, links
  end

  def needs_root(why)
    skip "needs root: #{why}" unless TestEnvironment.root?
  end

  def test_a_pid_file_that_a_full_disk_does_not_take_stays_as_it_was
    with_small_disk(64) do |folder|
      file = File.join(folder, "pid")
      File.write(file, "1\n")
      IO.copy_stream("/dev/zero", File.join(folder, "rest"), 1024 * 1024)
    rescue Errno::ENOSPC
      made = command(*fixed(1), "--pid-file", file)
      made.wait_for_log(/event=prefork\.pid_file_failed .*No space left/)
      assert_equal "1\n", File.read(file)
      assert_equal %w[pid rest], Dir.children(folder).sort
    end
  end

  def test_a_pid_file_that_is_a_link_stays_one
    File.symlink(path("target"), path("link"))
    made = command(*fixed(1), "--pid-file", path("link"))
    eventually("the pid") { File.exist?(path("target")) && File.read(path("target")) != "" }
    assert File.symlink?(path("link"))
    assert_equal "#{made.pid}\n", File.read(path("target"))
  end

  def test_the_pid_file_names_the_current_monitor
    made = command(*fixed(1), "--pid-file", path("pid"))
    assert_equal "#{made.pid}\n", File.read(path("pid"))
    made.signal(:USR2)
    eventually("the end of the predecessor") { made.ended? }
    successor = made.log[/successor_started pid=(\d+)/, 1]
    assert_equal "#{successor}\n", File.read(path("pid"))
    made.succeed(successor.to_i)
    made.signal(:TERM)
    eventually("the end of the successor") { made.ended? }
    refute_path_exists path("pid")
  end

  def test_an_idle_connection_ends_after_the_time_of_keep_alive
    made = command(*fixed(1), "--keep-alive", "0.1")
    # It may be idle for too long before its first request as well.
    client = eventually("a connection with an answer") do
      made.raw.tap { |raw| assert_equal 200, raw.get("/").status }
    end
    assert client.ended?
  ensure
    client&.close
  end

  def test_a_request_that_does_not_come_is_given_up_after_the_time_of_request_timeout
    client = command(*fixed(1), "--request-timeout", "0.1").raw
    assert_equal 408, client.write("GET / HTTP/1.1\r\n").response.status
  ensure
    client&.close
  end

  # A stopped worker takes no connection.
  def test_the_backlog_limits_the_connections_that_wait
    made = command(*fixed(1), "--unix", path("socket"), "--backlog", "2", listen: [])
    worker = made.workers.first
    ProcessInfo.stop(worker)
    eventually("a worker that stands still") { ProcessInfo.read(worker).state == "T" }
    waiting = []
    assert_raises(Errno::EAGAIN) { 10.times { waiting << connect_at_once(path("socket")) } }
    # The kernel takes one connection more.
    assert_equal 3, waiting.size
  ensure
    waiting&.each(&:close)
    worker && Process.kill(:CONT, worker)
  end

  def connect_at_once(path)
    socket = Socket.new(:UNIX, :STREAM)
    socket.connect_nonblock(Addrinfo.unix(path))
    socket
  rescue SystemCallError
    socket.close
    raise
  end

  def test_another_file_and_another_ruby_run_the_application
    File.write(path("ruby"), "#!/bin/sh\nCHOSEN=ruby exec #{RbConfig.ruby} \"$@\"\n", perm: 0o755)
    @command = PreforkCommand.new("raise 'the wrong file'\n")
    File.write(File.join(@command.folder, "other.ru"), "run ->(_) { [200, {}, [ENV['CHOSEN']]] }\n")
    @command.start(*fixed(1), "--rackup", "other.ru", "--ruby", path("ruby"))
    assert_equal "ruby", @command.get.body
  end

  def test_early_hints_are_offered_only_if_configured
    app = "run ->(env) { [200, {}, [env.key?('rack.early_hints').to_s]] }\n"
    assert_equal "true", command(*fixed(1), "--early-hints", app: app).get.body
    @command.stop
    assert_equal "false", command(*fixed(1), app: app).get.body
  end

  def test_invalid_times_are_errors
    options = %w[--timeout --grace --keep-alive --request-timeout --answer-timeout]
    %w[inf nan -1 1e300 32000000].product(options).each do |time, option|
      output, status = Open3.capture2e(PreforkCommand::PROGRAM, "#{option}=#{time}", @scratch)
      assert_equal [2, true], [status.exitstatus, output.include?(option)], output
    end
  end

  def test_a_unix_socket_outlives_a_successor_and_ends_with_it
    made = command(*fixed(1), "--unix", path("socket"), listen: [])
    inode = File.stat(path("socket")).ino
    assert_equal made.workers, [ask(path("socket")).to_i]
    made.signal(:USR2)
    eventually("the end of the predecessor") { made.ended? }
    assert_equal inode, File.stat(path("socket")).ino
    made.succeed(made.log[/successor_started pid=(\d+)/, 1].to_i)
    assert_equal made.workers, [ask(path("socket")).to_i]
    made.signal(:TERM)
    eventually("the end of the successor") { made.ended? }
    refute_path_exists path("socket")
  end

  # As systemd passes sockets. LISTEN_PID is the pid of the program, which only a shell that
  # executes the program knows.
  def test_several_sockets_of_systemd_are_taken_and_stay
    tcp = TCPServer.new("127.0.0.1", 0)
    unix = UNIXServer.new(path("socket"))
    @command = PreforkCommand.new
    @command.spawn_by(["sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=2 exec "$@"', "sh"], *fixed(1),
                      listen: [], 3 => tcp, 4 => unix)
    @command.wait_for_log(/event=prefork\.ready/)
    assert_equal [@command.workers.first.to_s] * 2,
                 [ask(path("socket")), Net::HTTP.get("127.0.0.1", "/", tcp.addr[1])]
    @command.signal(:TERM)
    assert_equal 0, @command.wait
    assert_path_exists path("socket")
  ensure
    [tcp, unix].each { |server| server&.close }
  end

  def test_sockets_that_systemd_gave_to_another_process_are_left
    tcp = TCPServer.new("127.0.0.1", 0)
    @command = PreforkCommand.new
    @command.spawn_by(["env", "LISTEN_PID=1", "LISTEN_FDS=1"], *fixed(1), 3 => tcp)
    @command.wait_for_log(/event=prefork\.ready/)
    refute_includes @command.log, "127.0.0.1:#{tcp.addr[1]} "
    assert_match(/event=prefork\.sockets_left listen_pid=1 pid=#{@command.pid} /, @command.log)
  ensure
    tcp&.close
  end

  def test_a_descriptor_of_systemd_that_does_not_listen_is_an_error
    File.open(File::NULL) do |file|
      @command = PreforkCommand.new
      @command.spawn_by(["sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', "sh"],
                        listen: [], 3 => file)
      assert_equal 1, @command.wait
      assert_match(/LISTEN_FDS names descriptor 3, which is not a listening socket/, @command.log)
    end
  end
end
