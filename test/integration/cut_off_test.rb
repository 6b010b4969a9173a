# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/torture/hostile_child"

# One of httpd's children tries to keep the others from the agent.
class CutOffTest < IntegrationTest
  def setup
    needs_root "it takes descriptors out of other processes"
  end

  def test_a_child_can_only_read_whether_an_agent_runs
    with_server(configuration) do |server|
      server.client.pid
      assert_equal %i[read write], accesses(ProcessInfo.read(server.pid))
      assert_equal [[:read]], server.tree.httpd_children.map { |child| accesses(child) }.uniq
    end
  end

  def test_a_reload_heals_a_connect_socket_that_a_child_has_shut_down
    with_server(configuration) do |server|
      eventually("a child with a way to the agent") { hostile_child(server) }.cut_off
      server.log.wait_for(/event=agent\.cut_off reason=/)
      server.graceful
      assert_match(/event=agent\.replaced .*shut the connect socket down/, server.log.text)
      eventually("new children serve") { server.client.get("/hello").code == "200" }
      10.times { assert_status 200, server.client.get("/hello") }
      assert_equal 1, server.log.count(/event=agent\.cut_off/)
    end
  end

  private

  # Nothing: no two children have served yet.
  def hostile_child(server)
    server.client.pid
    first, *others = server.tree.httpd_children
    HostileChild.new(first, ProcessInfo.read(server.pid), others, Random.new(1)) { [] }
  rescue IOError
    nil
  end

  # What the process may do with its descriptors of the byte that says so.
  def accesses(process)
    all = process.descriptors.select { |_, target| target.include?("passenger-absence") }.keys
    all.map do |number|
      flags = File.read("/proc/#{process.pid}/fdinfo/#{number}")[/^flags:\s*(\d+)/, 1].to_i(8)
      { File::RDONLY => :read, File::RDWR => :write }.fetch(flags & 3)
    end.uniq.sort
  end
end
