# frozen_string_literal: true

require "socket"

require_relative "support/integration_test"

# PassengerLogFile: a program, journald, or syslog. log_test.rb and reload_test.rb have files.
class LogTargetsTest < IntegrationTest
  JOURNAL = "/run/systemd"

  def setup
    @log = LogReader.new(File.join(scratch, "agent.log"))
  end

  def test_a_program_gets_the_lines_of_applications_and_agent
    with_server(logging("|$exec cat >>'#{@log.path}'")) do |server|
      pid = server.client.pid
      server.client.get("/stderr?text=piped")
      @log.wait_for(/App #{pid} output: .*piped/)
      @log.wait_for(/event=instance\.started .*pid=#{pid}/)
      refute_match(/piped/, server.log.text)
    end
  end

  def test_a_program_without_a_shell_is_started_anew_when_it_ends
    with_server(logging("|/usr/bin/tee -a #{@log.path}")) do |server|
      program = eventually("the program") { server.tree.matching(/\btee\b/).first }
      server.client.get("/stderr?text=before")
      @log.wait_for(/before/)
      Process.kill(:KILL, program.pid)
      # Until it has died, it may take a line with it.
      eventually("its end") do
        server.tree.matching(/\btee\b/).none? { |one| one.pid == program.pid }
      end
      server.client.get("/stderr?text=meanwhile")
      @log.wait_for(/meanwhile/)
      refute_equal program.pid, server.tree.matching(/\btee\b/).first.pid
    end
  end

  def test_a_reload_starts_the_program_anew_and_the_agent_writes_to_it
    with_server(logging("|$exec cat >>'#{@log.path}'")) do |server|
      agent = agent_of(server)
      3.times do |number|
        server.client.get("/stderr?text=line-#{number}")
        @log.wait_for(/line-#{number}/)
        server.graceful
      end
      server.client.get("/stderr?text=afterwards")
      @log.wait_for(/afterwards/)
      assert_equal agent, agent_of(server)
      eventually("one program") { server.tree.matching(/\bcat\b/).size == 1 }
    end
  end

  def test_a_program_that_cannot_be_started_leaves_the_lines_in_httpds_log
    with_server(logging("|/nowhere/program -x")) do |server|
      server.log.wait_for(%r{event=agent\.log_failed command="/nowhere/program -x"})
      server.client.get("/stderr?text=fallen")
      server.log.wait_for(/App \d+ output: .*fallen/)
    end
  end

  def test_journald_gets_the_fields_of_events
    journal = journal_folder
    daemon = daemon_in(journal)
    made = logging("journald")
    made.mounts[JOURNAL] = journal
    with_server(made) do |server|
      pid = server.client.pid
      server.client.get("/stderr?text=logged")
      entries = entries_until(daemon) { |one| one["MESSAGE"].include?("logged") }
      output = entries.last
      assert_equal ["app.output", pid.to_s, "6", "mod_passenger"],
                   output.values_at("EVENT", "APP_PID", "PRIORITY", "SYSLOG_IDENTIFIER")
      started = entries.find { |one| one["EVENT"] == "instance.started" }
      assert_equal [pid.to_s, "5"], started.values_at("PID", "PRIORITY")
      assert_match(/\A\h{32}\z/, started["MESSAGE_ID"])
      refute_match(/logged|log\.unreachable/, server.log.text)

      # A daemon that starts anew.
      daemon.close
      daemon = daemon_in(journal)
      server.client.get("/stderr?text=again")
      entries_until(daemon) { |one| one["MESSAGE"].include?("again") }

      daemon.close
      File.delete(File.join(journal, "journal/socket"))
      server.client.get("/stderr?text=fallen")
      server.log.wait_for(/event=log\.unreachable socket="[^"]*journal.socket"/)
      server.log.wait_for(/App #{pid} output: .*fallen/)
    end
  ensure
    daemon&.close
  end

  def test_without_a_daemon_of_syslog_lines_are_in_httpds_log
    skip "a daemon of syslog runs" if File.exist?("/dev/log")
    with_server(logging("syslog:daemon")) do |server|
      server.client.get("/stderr?text=fallen")
      server.log.wait_for(%r{event=log\.unreachable socket="/dev/log" error="No such file})
      server.log.wait_for(/App \d+ output: .*fallen/)
    end
  end

  private

  def logging(target)
    configuration { |made| made.set("PassengerLogFile", %("#{target}")) }
  end

  def agent_of(server)
    server.tree.matching(/passenger-agent pool/).map(&:pid)
  end

  def journal_folder
    skip "only root may mount" unless Process.uid.zero?
    skip "no #{JOURNAL} to mount over" unless File.directory?(JOURNAL)
    skip "may not mount" unless system("unshare", "--mount", "true", %i[out err] => File::NULL)
    File.join(scratch, "systemd").tap { |path| FileUtils.mkdir_p(File.join(path, "journal")) }
  end

  def daemon_in(folder)
    path = File.join(folder, "journal/socket")
    FileUtils.rm_f(path)
    socket = Socket.new(:UNIX, :DGRAM)
    socket.bind(Addrinfo.unix(path))
    File.chmod(0o666, path)
    socket
  end

  # The fields of each datagram, up to the first for which the block is true.
  def entries_until(daemon)
    entries = []
    eventually("an entry in the journal") do
      while (datagram = daemon.recv_nonblock(65_536, exception: false)) != :wait_readable
        entry = datagram.force_encoding(Encoding::UTF_8).scan(/^([A-Z_]+)=(.*)$/).to_h
        entries << entry
        return entries if yield entry
      end
    end
  end
end
