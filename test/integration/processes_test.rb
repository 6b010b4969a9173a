# frozen_string_literal: true

require_relative "support/integration_test"

# The processes, their parents, and what of them can be reached from outside.
class ProcessesTest < IntegrationTest
  SCORE = "/proc/self/oom_score_adj"

  serve { |made| made.site("rack.test", SampleApps.rack) }

  def setup
    @pid = client.pid
  end

  def test_the_agents_processes_are_httpds_descendants_in_the_order_of_their_duties
    line = eventually("the end of the boot") { server.tree.line_of(@pid) }
    names = line.map(&:command_line)
    [/RubyApp/, /AppPreloader/, /spawn server/].zip(names) do |expected, name|
      assert_match expected, name
    end
    # A process that serves the pool process's connection has started the spawn server. When that
    # ends, the watchdog is the spawn server's parent.
    starter = TestEnvironment.root? ? "rights" : "pool"
    names[3..-4].each { |name| assert_match(/passenger-agent\S* #{starter}/, name) }
    assert_match(/passenger-agent\S* watchdog/, names[-3])
    assert_match(/passenger-agent\S* anchor/, names[-2])
  end

  def test_instances_use_the_native_code_that_was_built
    library = Dir[File.join(TestEnvironment::PASSENGER_ROOT, "native/ruby-*/*.so")].first
    skip "none was built" unless library
    assert_includes File.read("/proc/#{@pid}/maps"), File.realpath(library)
  end

  def test_nothing_but_httpd_listens
    inodes = ->(protocol, state) {
      table(protocol).select { |row| row[3] == state }.map { |row| row[9] }
    }
    listening = inodes.call("tcp", "0A") + inodes.call("tcp6", "0A")
    refute_empty listening
    server.tree.beside_httpd.each do |process|
      sockets = socket_inodes(process)
      assert_empty sockets & listening, "#{process} listens"
      assert_empty sockets & (inodes.call("udp", "07") + inodes.call("udp6", "07")), process.to_s
    end
  end

  def test_no_socket_has_a_name_but_the_one_for_commands
    named = table("unix").select { |row| row[7] }.to_h { |row| row.values_at(6, 7) }
    server.tree.beside_httpd.each do |process|
      names = named.values_at(*socket_inodes(process).uniq).compact
      commands = process.command_line.match?(/passenger-agent pool/) ? 1 : 0
      assert_equal commands, names.grep(%r{/control\z}).size, process.to_s
      assert_equal commands, names.size, process.to_s
    end
  end

  def test_instances_hold_none_of_httpds_sockets
    # Only httpd has the request's own connection: applications that continue do not keep it open.
    addresses = table("tcp").select { |row| row[1].end_with?(format(":%04X", server.port)) }
      .map { |row| row[9] }
    refute_empty addresses
    server.tree.beside_httpd.each do |process|
      assert_empty socket_inodes(process) & addresses, process.to_s
    end
  end

  # OOMScoreAdjust= of httpd's unit.
  def test_applications_do_not_inherit_httpds_protection_from_a_shortage_of_memory
    former = File.read(SCORE)
    begin
      File.write(SCORE, "-100")
    rescue Errno::EACCES
      skip "needs CAP_SYS_RESOURCE"
    end
    with_server(configuration) do |made|
      instance = made.client.pid
      spawned = made.tree.matching(/\APassenger (spawn server|AppPreloader|RubyApp)/).map(&:pid)
      assert_includes spawned, instance
      scores = [made.pid, *spawned].map { |pid| File.read("/proc/#{pid}/oom_score_adj").to_i }
      assert_equal [-100, 0], scores.uniq
    end
  ensure
    File.write(SCORE, former)
  end

  private

  # Rows of /proc/net/NAME without the title; empty if the kernel does not know the protocol.
  def table(name)
    File.readlines("/proc/net/#{name}").drop(1).map(&:split)
  rescue Errno::ENOENT
    []
  end

  def socket_inodes(process)
    process.descriptors.values.filter_map { |target| target[/\Asocket:\[(\d+)\]\z/, 1] }
  end
end
