# frozen_string_literal: true

require_relative "support/integration_test"

# Hooks of Rails and of the application around the fork of an instance. The preloader of this real
# Rails has used its database already.
class ForkingTest < IntegrationTest
  CONFIG_RU = <<~'RUBY'
    require_relative "config/environment"

    Post.count
    PRELOADED = Post.connection.raw_connection
    PRELOADER = Process.pid

    module Notes
      LIST = []

      def self.take(what, *more)
        open = Dir.children("/proc/self/fd").count do |fd|
          File.readlink("/proc/self/fd/#{fd}").end_with?(".sqlite3") rescue false
        end
        LIST << [what, *more, open]
      end
    end

    ActiveSupport::ForkTracker.after_fork { Notes.take("Rails") }
    PhusionPassenger.on_event(:starting_worker_process) { |forked| Notes.take("starting", forked) }
    PhusionPassenger.on_event(:after_installing_signal_handlers) { Notes.take("signals") }

    map "/notes" do
      run(lambda do |_env|
        sleep 0.05
        posts = Post.count
        same = Post.connection.raw_connection.equal?(PRELOADED)
        text = { pid: Process.pid, parent: PRELOADER, notes: Notes::LIST, posts: posts, same: same,
                 closed: PRELOADED.closed? }.to_json
        [200, { "Content-Type" => "application/json" }, [text]]
      end)
    end
    map("/") { run Rails.application }
  RUBY

  serve do |made|
    made.site("rails.test", app, "PassengerMinInstances 2\nPassengerMaxInstances 2\n" \
                                 "SetEnv SECRET_KEY_BASE #{SampleApps::SECRET}\n")
  end

  def self.app
    folder = SampleApps.new_folder
    FileUtils.cp_r(File.join(SampleApps.rails, "."), folder)
    File.write(File.join(folder, "config.ru"), CONFIG_RU)
    TestEnvironment.hand_over(folder)
  end

  def test_hooks_are_called_in_order_and_find_no_connection_of_the_preloader_s
    assert_equal [["Rails", 0], ["starting", true, 0], ["signals", 0]], reports.first["notes"]
  end

  def test_each_instance_opens_a_connection_of_its_own
    assert_equal([[false, true]], reports.map { |report| report.values_at("same", "closed") }.uniq)
    assert_equal([true], reports.map { |report| report["posts"].positive? }.uniq)
  end

  def test_instances_come_from_one_preloader
    assert_equal 1, reports.map { |report| report["parent"] }.uniq.size
    refute_includes reports.map { |report| report["pid"] }, reports.first["parent"]
  end

  private

  # One report of each instance.
  def reports
    @reports ||= eventually("both instances") do
      threads = Array.new(4) { Thread.new { client.json("/notes") } }
      all = threads.map(&:value).uniq { |report| report["pid"] }
      all if all.size == 2
    end
  end
end
