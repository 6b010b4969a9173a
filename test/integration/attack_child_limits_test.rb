# frozen_string_literal: true

require "json"
require_relative "support/integration_test"
require_relative "support/unharmed"
require_relative "support/taken_over_child"
require_relative "support/torture/greedy_child"

# A child of httpd is taken over. It opens connections to the agent, reply channels and applications
# without end, and keeps them.
class AttackChildLimitsTest < IntegrationTest
  include Unharmed

  CONNECTIONS = 30
  CHANNELS = 60
  APPS = 20
  # Applications that the agent can know.
  SLOTS = 4096
  # What the attacker asks for, of each.
  WANTED = 300

  if TestEnvironment.root?
    # Room for the attacker's applications: one that waits for room takes its turn.
    serve { |made| configure(made, APPS + 4) }

    def self.configure(made, pool_size)
      made.set("PassengerMaxPoolSize", pool_size)
      TakenOverChild.hide_folders(made)
      made.set("PassengerMaxChildConnections", CONNECTIONS)
      made.set("PassengerMaxChildChannels", CHANNELS)
      made.set("PassengerMaxChildApps", APPS)
      made.site("victim.test", SampleApps.rack,
                "PassengerMinInstances 1\n" \
                "<Location /status>\nSetHandler passenger-status\nPassengerStatusDetails On\n" \
                "</Location>\n")
      made.site("fresh.test", SampleApps.rack)
      made.site("attacker.test", SampleApps.rack, "PassengerMinInstances 1\n")
    end
  end

  def setup
    skip "needs root" unless TestEnvironment.root?
    take_over
  end

  def server
    @small_server || super
  end

  def teardown
    @child&.close
  end

  def test_a_child_gets_connections_up_to_its_limit
    opened = attack { Array.new(WANTED) { @child.connection }.compact.size }
    assert_operator opened, :<=, CONNECTIONS
    assert_limited("connections", "PassengerMaxChildConnections", CONNECTIONS) { @child.connection }
  end

  def test_a_child_gets_reply_channels_up_to_its_limit
    taken = attack { ask_for_channels { attacker } }
    assert_operator taken, :<=, CHANNELS
    assert_limited("channels", "PassengerMaxChildChannels", CHANNELS) do
      ask_for_channels(1) { attacker }
    end
  end

  def test_a_child_gets_reply_channels_of_so_many_applications
    # Few, since each is an attempt to start an application, whoever asks for it.
    taken = attack { ask_for_channels(2 * APPS) { |number| missing(number) } }
    assert_operator taken, :<=, APPS
    further = WANTED.step
    assert_limited("apps", "PassengerMaxChildApps", APPS) do
      # One whose start has failed is refused before it gets a channel.
      ask_for_channels(1) { missing(further.next) }
    end
  end

  # The agent can know 4,096 applications. Those for which nobody waits make room for others.
  def test_a_child_that_asks_for_more_applications_than_there_can_be_leaves_room_for_others
    on_a_small_server do
      frames = @child.connection
      # Of these, few get an instance. The others wait for room in the pool.
      SLOTS.times do |number|
        @child.attach(frames, options(attacker, "environment" => "production#{number}",
                                                "spawn_method" => "direct"))
      end
      assert_status 200, client("fresh.test").get("/hello")
      assert_operator counts.fetch("apps_forgotten"), :>, 0
      assert_equal 0, grown("apps_refused")
    end
  end

  # What is no limit has another counter.
  def test_a_child_that_breaks_the_protocol_is_counted_apart
    5.times { @child.connection&.write(PhusionPassenger::Layout::VERSION + 200) }
    server.log.wait_for(/event=connection\.dropped .*is not for the pool process/, from: @position)
    eventually("the count") { grown("connections_dropped") >= 5 }
    # The counts of before may be a little old.
    %w[connections channels apps].each do |what|
      assert_operator grown("child_#{what}_refused"), :<, 5
    end
  end

  def test_a_child_ends_no_instances_and_sets_no_size
    pid = client("victim.test").pid
    size = counts.fetch("max_pool_size")
    [%w[clear], %w[set_max 0]].each do |order|
      assert_nil @child.query(@child.connection, *order), order.first
    end
    server.log.wait_for(/event=connection\.dropped .*may order/, from: @position)
    eventually("the count") { grown("connections_dropped") == 2 }
    # Under load, the application may have got a second instance that answers.
    assert_status 200, client("victim.test").get("/")
    assert ProcessInfo.read(pid), "the instance has ended"
    assert_equal size, counts.fetch("max_pool_size")
  end

  private

  def take_over
    # A child has its descriptors only after its first request.
    @child = eventually("a child with a way to the agent") { greedy_child }
    @position = server.log.position
    @before = counts
  end

  # With room for two instances of the attacker: each that starts takes processor time.
  def on_a_small_server
    @child.close
    with_server(configuration { |made| self.class.configure(made, 4) }) do |own|
      @small_server = own
      take_over
      yield
    ensure
      @child.close
      @child = @small_server = nil
    end
  end

  def greedy_child
    2.times { %w[victim.test attacker.test].each { |site| client(site).get("/hello") } }
    children = server.tree.httpd_children.shuffle
    GreedyChild.new(children.first, ProcessInfo.read(server.pid), children.drop(1),
                    Random.new(1)) { [] }
  rescue IOError
    nil
  end

  # Each attack is a new child: a connection goes on with what the one before had. Returns what the
  # block has returned in the first try.
  def attack
    results = []
    assert_unharmed(client("victim.test"), "/hello") { results << yield }
    results.first
  end

  # Registers channels of the application in the block's folder. Returns how many it has got.
  def ask_for_channels(count = WANTED)
    @frames ||= @child.connection
    Array.new(count) do |number|
      slot, generation = @child.attach(@frames, options(yield(number)))
      slot && @child.register(@frames, slot, generation)
    end.count(&:itself)
  end

  # The folder of an application that does not start.
  def missing(name)
    File.join(scratch, "missing#{name}")
  end

  def attacker
    server.configuration.sites.last.root
  end

  def options(root, more = {})
    all = { "app_root" => root, "environment" => "production", "ruby" => RbConfig.ruby,
            "startup_file" => "config.ru", "min_instances" => "0" }.merge(more)
    all.merge("app_group_name" => "#{root} (#{all["environment"]})")
  end

  # The block asks for one more: earlier tests may have used up the lines that the log takes.
  def assert_limited(what, directive, limit)
    assert_operator grown("child_#{what}_refused"), :>=, 1
    assert_equal 0, grown("connections_dropped")
    eventually("a line") do
      yield
      server.log.text(@position)
            .match?(/event=child\.limit_reached .*directive=#{directive} reason=".* #{limit} /)
    end
  end

  def grown(counter)
    counts.fetch(counter) - @before.fetch(counter)
  end

  def counts
    JSON.parse(client("victim.test").get("/status?json").body)
  end
end
