# frozen_string_literal: true

require_relative "process_test_case"

module PhusionPassenger
  # A Rails application: its preloaders have no database connection, and each instance has its own.
  class RailsTest < ProcessTestCase
    DATABASES = <<~YAML
      production:
        primary: { adapter: sqlite3, database: primary.sqlite3 }
        replica: { adapter: sqlite3, database: replica.sqlite3 }
    YAML
    GEMS = %w[activerecord actionpack railties sqlite3].freeze

    def setup
      super
      unless GEMS.all? { |name| Gem::Specification.stubs_for(name).any? }
        skip "Rails is not installed"
      end
      @root = Dir.mktmpdir("passenger-test")
      Dir.mkdir(File.join(@root, "config"))
      File.write(File.join(@root, "config/database.yml"), DATABASES)
    end

    def teardown
      super
      FileUtils.rm_rf(@root) if @root
    end

    def test_an_instance_serves_what_the_preloader_has_loaded
      preloader = loaded_rails
      assert_empty databases_of(preloader)
      instance = forked_from(preloader)
      group = serve(instance)
      assert_equal ["1 1", "2 1", "2 1"],
                   %w[/count /write /count].map { |path| get(group, instance, path) }
      assert_equal %w[primary replica], databases_of(instance)
      [instance, preloader].each { |process| process.control.close }
      assert_equal ["", ""], [instance, preloader].map { |process| output_of(process) }
    end

    def test_a_preloader_of_a_warmed_instance_has_no_connection_either
      instance = forked_from(loaded_rails)
      group = serve(instance, refork_after: 1000)
      assert_equal "1 1", get(group, instance, "/count")
      preloader = reforked(instance)
      assert_empty databases_of(preloader)
      heir = forked_from(preloader)
      heirs_group = serve(heir)
      assert_equal ["2 1", "2 1", "3 1"],
                   [get(heirs_group, heir, "/write"), get(group, instance, "/count"),
                    get(heirs_group, heir, "/write")]
      [heir, preloader, instance].each { |process| process.control.close }
      assert_equal ["", "", ""], [heir, preloader, instance].map { |process| output_of(process) }
    end

    def test_an_instance_that_is_started_directly_serves
      instance = loaded("instance", "rails.ru", rails_options)
      assert_equal "1 1", get(serve(instance), instance, "/count")
    end

    def test_the_connections_of_all_roles_are_closed_where_each_role_has_a_handler
      unless Gem::Specification.stubs_for("activerecord").first.version.segments.first == 6
        skip "only Rails 6"
      end
      assert_empty databases_of(loaded_rails("env:PROBE_LEGACY" => "1"))
    end

    private

    def rails_options
      { "env:PROBE_ROOT" => @root, :environment => "production" }
    end

    def loaded_rails(more = {})
      loaded("preloader", "rails.ru", rails_options.merge(more))
    end

    def reforked(instance)
      preloader = @agent.refork_from(instance)
      preloader.pid = preloader.read.fields[0].to_i
      assert_equal 51, preloader.read&.type
      preloader
    end

    # Returns the databases that the process has open.
    def databases_of(process)
      descriptors_of(process).values.grep(/sqlite3\z/)
        .map { |file| File.basename(file, ".sqlite3") }.uniq.sort
    end
  end
end
