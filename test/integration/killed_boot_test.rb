# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/slow_boots"

# Kills processes while an application starts. A working application starts all the same, and no
# client sees an error.
class KilledBootTest < IntegrationTest
  include SlowBoots

  POOL = /passenger-agent\S* pool/.freeze

  KILLS_ITSELF = "File.open(File.join(__dir__, 'boots'), 'a') { |f| f.puts Process.pid }\n" \
                 "Process.kill(:KILL, Process.pid)\nsleep\n"
  UNFORKABLE = "def Random.srand = exit!(4)\n#{SampleApps.saying('served')}".freeze

  METHODS = %w[smart direct].freeze

  serve do |made|
    METHODS.each do |method|
      %w[process spawn_server pool].each do |victim|
        made.site("#{victim}.#{method}.test", SampleApps.written(RUBY),
                  "PassengerSpawnMethod #{method}\n")
      end
      made.site("suicide.#{method}.test", SampleApps.written(KILLS_ITSELF),
                "PassengerSpawnMethod #{method}\n")
    end
    made.site("preloader.test", SampleApps.written(RUBY), "PassengerMaxInstances 2\n")
    made.site("unforkable.test", SampleApps.written(UNFORKABLE))
  end

  def setup
    @position = server.log.position
  end

  METHODS.each do |method|
    define_method("test_an_application_whose_#{method}_boot_is_killed_is_started_again") do
      assert_served("process.#{method}.test") { |boot| Process.kill(:KILL, boot) }
      server.log.wait_for(/event=spawn\.killed .*signal=9/, from: @position)
    end

    define_method("test_a_spawn_server_killed_during_a_#{method}_boot_fails_no_request") do
      assert_served("spawn_server.#{method}.test") do
        spawn_server = eventually("a spawn server") { server.tree.spawn_servers.first }
        Process.kill(:KILL, spawn_server.pid)
        server.log.wait_for(/event=spawn_server\.(died|ended|lost)/, from: @position)
      end
    end

    define_method("test_a_request_survives_the_pool_processs_death_within_a_#{method}_boot") do
      assert_served("pool.#{method}.test") do
        Process.kill(:KILL, the_only(POOL).pid)
        server.log.wait_for(/event=pool\.exited/, from: @position)
      end
    end

    define_method("test_an_application_that_kills_itself_fails_after_one_more_#{method}_attempt") do
      assert_status 500, client("suicide.#{method}.test").get("/")
      assert_equal 2, boots("suicide.#{method}.test").size
      server.log.wait_for(/event=spawn\.failed .*killed by signal 9 .*second attempt/,
                          from: @position)
      server.log.wait_for(/report=\h+ Usual cause: .*no memory left/, from: @position)
    end
  end

  def test_an_application_that_cannot_be_preloaded_is_started_directly
    assert_equal "served", client("unforkable.test").get("/").body
    server.log.wait_for(/event=preloader\.given_up .*action="its instances are started directly"/,
                        from: @position)
  end

  def test_a_preloader_that_is_killed_between_two_instances_is_replaced
    go_on("preloader.test")
    assert_equal "served", client("preloader.test").get("/").body
    instance = server.tree.matching(/RubyApp: #{Regexp.escape(root("preloader.test"))}/).first
    Process.kill(:KILL, boots("preloader.test").last)
    Process.kill(:KILL, instance.pid)
    assert_equal "served", client("preloader.test").get("/").body
    assert_equal 2, boots("preloader.test").size
  end

  private

  # A process that another test has killed may run for another moment.
  def the_only(pattern)
    eventually("one process") do
      found = server.tree.matching(pattern)
      assert_equal 1, found.size, "#{pattern.inspect}: #{found.join(', ')}"
      found.first
    end
  end
end
