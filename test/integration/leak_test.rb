# frozen_string_literal: true

require_relative "support/integration_test"

# Many requests do not increase descriptors and memory. LEAK_REQUESTS=100000 makes the test long.
class LeakTest < IntegrationTest
  REQUESTS = Integer(ENV.fetch("LEAK_REQUESTS", "5000"))
  CLIENTS = 4
  # Heaps vary; in the long form a leak of a hundred bytes per request would exceed this.
  ALLOWANCE = 8 * 1024 * 1024

  # The children stay, so that the same processes run before and after.
  THREADED = "StartServers 1\nServerLimit 1\nMinSpareThreads 1\nMaxSpareThreads 16\n" \
             "ThreadsPerChild 16\nMaxRequestWorkers 16\nMaxConnectionsPerChild 0"
  # More children than clients: a child may notice late that a client has left, and an application
  # gets seven eighths of the children.
  PREFORK = "StartServers 12\nMinSpareServers 1\nMaxSpareServers 12\nMaxRequestWorkers 12"

  def test_many_requests_leave_descriptors_and_memory_where_they_were
    made = configuration do |one|
      one.mpm_settings = one.mpm == "prefork" ? PREFORK : THREADED
      # None of these connections ends by itself.
      one.main_directives << "KeepAliveTimeout 60\n"
      one.set("PassengerMaxPoolSize", 2)
      one.site("rack.test", SampleApps.rack, "PassengerMinInstances 2\n")
    end
    with_server(made) do |server|
      load(server, [REQUESTS / 5, 2_000].min)
      before = settled(server)
      memory = memory_of(server)
      load(server, REQUESTS)
      # A process that did not run for a moment may look settled.
      eventually("as few descriptors as before") do
        after = settled(server)
        assert_equal before.keys.sort, after.keys.sort, "the processes are the same"
        grown = after.select { |pid, count| count > before[pid] + 2 }
        assert_empty grown, "descriptors before: #{before}, after: #{after}"
      end
      swollen = memory_of(server).to_h { |pid, size| [pid, size - memory.fetch(pid, size)] }
      assert_empty(swollen.select { |_, growth| growth > ALLOWANCE })
    end
  end

  private

  # A mix: kept and new connections, bodies both ways, errors, clients that leave.
  def load(server, requests)
    Array.new(CLIENTS) do
      Thread.new do
        raw = server.raw
        (requests / CLIENTS).times { |number| raw = one_request(server, raw, number) }
        raw.close
      end
    end.each(&:join)
  end

  def one_request(server, raw, number)
    case number % 50
    when 10 then raw.get("/download?bytes=200000")
    when 20
      raw.request("POST", "/upload", { "Content-Length" => "100000" }).write("x" * 100_000).response
    when 30
      # httpd closes the connection after an error of its own.
      raw.get("/raise")
      raw.close
      return server.raw
    when 40
      raw.request("GET", "/download?bytes=5000000").abort
      return server.raw
    else raw.get("/hello")
    end
    raw
  end

  # Descriptors by process, after connections were closed.
  def settled(server)
    last = nil
    eventually("descriptor counts that stay the same", within: 60, every: 0.5) do
      counts = server.tree.descriptor_counts
      same = counts == last
      last = counts
      same && counts
    end
  end

  # By process. Empty with sanitizers, which keep freed memory.
  def memory_of(server)
    return {} if TestEnvironment.sanitized?

    server.tree.processes.to_h { |process| [process.pid, process.memory.to_i] }
  end
end
