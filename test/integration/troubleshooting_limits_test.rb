# frozen_string_literal: true

require_relative "support/made_users"
require_relative "support/small_disk"
require_relative "support/troubleshooting"

# Servers that have too little of something, or use too much memory. Each test has its own httpd:
# doc/TROUBLESHOOTING.md#503
# doc/TROUBLESHOOTING.md#it-works-in-irb-but-not-under-httpd
# doc/TROUBLESHOOTING.md#the-pool-is-full
# doc/TROUBLESHOOTING.md#memory-grows
class TroubleshootingLimitsTest < TroubleshootingTest
  include SmallDisk

  # Eight threads, of which one application gets seven, and places for the children of a reload.
  EIGHT_THREADS = {
    "prefork" => "StartServers 8\nServerLimit 16\nMaxRequestWorkers 8",
    "worker" => "StartServers 1\nServerLimit 4\nThreadsPerChild 8\nMaxRequestWorkers 8"
  }.freeze
  SHARE = 7
  # Headers of a large request.
  LARGE = (1..7).to_h { |number| ["X-Large-#{number}", "x" * 8000] }.freeze

  # -- 503

  def test_503_where_one_application_holds_its_share_of_the_threads
    made = configuration { |one| two_sites(one, "PassengerMaxRequestQueueSize 0\n") }
    made.mpm_settings = EIGHT_THREADS.fetch(made.mpm, EIGHT_THREADS["worker"])
    with_server(made) do |own|
      path = fifo
      asked = Array.new(2 * SHARE) { own.raw("one.test").request("GET", "/wait?fifo=#{path}") }
      own.log.wait_for(/event=request\.refused .*holds its share of httpd's threads/)
      assert_equal 503, eventually { asked.find { |raw| raw.arrived?(0) } }.response.status
      assert_equal "hello world\n", own.client("two.test").get("/hello").body
      assert_match(%r{/wait}, succeed(STATUS, "--show=requests"))
      own.graceful { |one| one.sites.first.directives = "PassengerMaxRequestTime 1\n" }
      asked.each { release(path) }
      asked.each(&:close)
      eventually("an answer to a request that hangs") do
        own.client("one.test").get("/slow?seconds=600").code == "504"
      end
      eventually("an answer") { own.client("one.test").get("/hello").code == "200" }
    end
  end

  # The row's other remedy, net.core.wmem_max, is a setting of the whole machine: network namespaces
  # have it only for reading.
  def test_503_of_a_queue_with_a_small_buffer
    needs_root "an httpd that another user starts"
    asked = requests_for_a_buffer
    skip "net.core.wmem_max allows more requests than httpd has threads" if asked > 250

    made = queue_of(asked)
    made.run_as = TestEnvironment::WEB_USER
    with_server(made) do |own|
      fill_queue(own, asked)
      own.log.wait_for(/event=request\.refused .*the buffer of its socket has no room/, within: 60)
    end
    made.run_as = nil
    with_server(made) do |own|
      raws = fill_queue(own, asked)
      eventually("all wait") { apps.first["queue"]["waiting"] == asked - 1 }
      raws.each { release(@gate) }
      assert_equal [200], raws.map { |raw| raw.response.status }.uniq
    end
  end

  def test_503_where_the_agent_was_not_started
    made = configuration { |one| one.set("PassengerLogFile", "/nowhere/passenger.log") }
    with_server(made) do |own|
      assert_equal "503", own.client.get("/hello").code
      line = own.log.wait_for(/event=agent\.not_started/)
      assert_match(%r{reason=".*/nowhere/passenger\.log cannot be opened}, line)
      own.graceful { |one| one.set("PassengerLogFile", nil) }
      eventually("an answer") { own.client.get("/hello").code == "200" }
    end
  end

  def test_the_log_tells_that_there_are_too_few_descriptors
    made = configuration { |one| one.descriptor_limit = 200 }
    with_server(made) { |own| own.log.wait_for(/event=descriptors\.few limit=200 wanted=\d+/) }
    made.descriptor_limit = 1024
    with_server(made) do |own|
      assert_equal "200", own.client.get("/hello").code
      refute_match(/event=descriptors/, own.log.text)
    end
  end

  def test_more_web_sockets_than_one_child_takes
    made = configuration do |one|
      one.set("PassengerMaxHijackedConnections", 1)
      one.site("socket.test", SampleApps.copy("hijack_app"), "PassengerTransferConnections off\n")
    end
    skip "a child of prefork has one connection" if made.mpm == "prefork"

    made.mpm_settings = EIGHT_THREADS["worker"]
    with_server(made) do |own|
      assert_equal [101, 503], of_two_sockets(own)
      reason = own.log.wait_for(/event=request\.\w+ .*has taken over 1 connections/)
      own.graceful { |one| one.set(reason[/PassengerMaxHijackedConnections/], 10) }
      # For a moment after a reload, the old child may take a request.
      in_one_of(5) { assert_equal [101, 101], of_two_sockets(own) }
    end
  end

  # -- starts

  def test_a_start_with_too_many_processes
    needs_root "a user of its own"
    text = "20.times { fork { sleep 5 } }\n#{SampleApps.saying('served')}"
    app = TestEnvironment.hand_over(SampleApps.written(text), MadeUsers["many"].name)
    made = configuration do |one|
      one.site("many.test", app, "PassengerMaxBootProcesses 10\nPassengerSpawnMethod direct\n" \
                                  "PassengerStartTimeout 10\n")
    end
    with_server(made) do |own|
      assert_equal "500", own.client.get("/").code
      line = own.log.wait_for(/event=spawn\.process_limit/)
      own.graceful do |one|
        one.sites.first.directives = "#{line[/directive=(\w+)/, 1]} 1000\n"
      end
      FileUtils.touch("#{app}/tmp/restart.txt")
      eventually("an answer") { own.client.get("/").body == "served" }
    end
  end

  # -- the pool is full

  def test_applications_take_the_room_from_each_other_until_the_pool_grows
    made = configuration do |one|
      one.set("PassengerMaxPoolSize", 1)
      two_sites(one, "PassengerMinInstances 0\n")
    end
    with_server(made) do |own|
      2.times { ask_both(own) }
      own.log.wait_for(/event=instance\.evicted/)
      own.graceful { |one| one.set("PassengerMaxPoolSize", 2) }
      # For a moment after a reload, the agent may have the old size.
      eventually("room for both") { ask_both(own) && apps.sum { |one| one["instances"].size } == 2 }
      before = own.log.position
      2.times { ask_both(own) }
      refute_match(/event=instance\.evicted/, own.log.text(before))
    end
  end

  # -- memory

  def test_limits_of_instances_free_memory
    made = configuration { |one| two_sites(one, "PassengerMinInstances 3\n") }
    with_server(made) do |own|
      ask_both(own)
      eventually("three instances of each") { sizes == [3, 3] }
      many = instances_memory
      own.graceful { |one| one.set("PassengerMaxPoolSize", 4) }
      eventually("four instances") { sizes.sum == 4 }
      own.graceful { |one| one.sites.each { |site| site.directives = "PassengerMaxInstances 1\n" } }
      # For a moment after a reload, an old child may take the request.
      eventually("one instance of each") do
        ask_both(own)
        succeed(CONFIG, "restart-app", "--all", "--wait", "60")
        sizes == [1, 1]
      end
      assert_operator instances_memory, :<, many
    end
  end

  # By the signal that the kernel sends where there is no memory left.
  def test_the_log_tells_the_signal_of_an_instance_that_the_kernel_kills
    with_server(configuration) do |own|
      Process.kill(:KILL, own.client.pid)
      own.log.wait_for(/event=instance\.exited .*signal=9/)
      refute_match(/event=instance\.killed/, own.log.text)
      eventually("an answer") { own.client.get("/hello").code == "200" }
    end
  end

  def test_uploads_need_memory_if_their_folder_is_in_memory
    with_small_disk(50_000) do |folder|
      made = configuration { |one| one.set("PassengerDataBufferDir", folder) }
      with_server(made) do |own|
        upload(own, folder) { assert_operator used(folder), :>, 1 << 20 }
        own.graceful { |one| one.set("PassengerDataBufferDir", scratch) }
        # For a moment after a reload, an old child may take the request.
        in_one_of(5) { upload(own, scratch) { assert_operator used(folder), :<, 1 << 20 } }
      end
    end
  end

  private

  # More requests of 56 KB than the buffer of an application's queue takes without a right to more:
  # twice net.core.wmem_max.
  def requests_for_a_buffer
    (2 * File.read("/proc/sys/net/core/wmem_max").to_i / LARGE.sum { |_, value| value.size }) + 10
  end

  def queue_of(requests)
    made = configuration do |one|
      one.site("rack.test", SampleApps.rack,
               "PassengerMaxInstances 1\nPassengerMaxRequestQueueSize 1000\n")
    end
    # An application has seven eighths of the threads.
    threads = 2 * requests
    usual = EIGHT_THREADS.fetch(made.mpm, "ThreadLimit 8\n#{EIGHT_THREADS['worker']}")
    made.mpm_settings = usual.gsub(/(?<=Limit |Servers |Workers |Child )(8|16)$/, threads.to_s)
    made
  end

  # Sends the requests behind one that keeps the only instance.
  def fill_queue(own, requests)
    assert_equal "200", own.client.get("/hello").code
    @gate = fifo("fifo-#{rand(1 << 32)}")
    Array.new(requests) { own.raw.request("GET", "/wait?fifo=#{@gate}", LARGE) }
  end

  def two_sites(made, directives)
    %w[one two].each { |name| made.site("#{name}.test", SampleApps.rack, directives) }
  end

  def ask_both(own)
    %w[one two].all? { |name| own.client("#{name}.test").get("/hello").code == "200" }
  end

  def sizes
    apps.map { |one| one["instances"].size }
  end

  # The status of each upgrade.
  def of_two_sockets(own)
    upgrade = { "Upgrade" => "capitals", "Connection" => "Upgrade" }
    raws = Array.new(2) { own.raw }
    raws.map { |raw| raw.request("GET", "/upgrade", upgrade).read_head.status }
  ensure
    raws.each(&:close)
  end

  # What `passenger-memory-stats` says about all instances, in MB.
  def instances_memory
    succeed("passenger-memory-stats").lines.grep(/RubyApp/).sum { |line| line[/[\d.]+ MB/].to_f }
  end

  # Runs the block while the folder has a part of an upload, in a file without a name.
  def upload(own, folder)
    raw = own.raw.request("POST", "/upload", "Content-Length" => "10000000")
    raw.write("x" * 5_000_000)
    eventually("a file of the upload", within: 20) do
      own.tree.httpd_children.any? do |child|
        child.descriptors.values.any? { |target| target.start_with?("#{folder}/") }
      end
    end
    yield
  ensure
    raw&.close
  end

  def used(folder)
    `df --output=used --block-size=1 '#{folder}'`.lines.last.to_i
  end
end
