# frozen_string_literal: true

require "open3"
require_relative "process_test_case"

module PhusionPassenger
  # Loads applications, and checks what the loader reports.
  class AppLoaderTest < ProcessTestCase
    GEMFILE = "source 'https://localhost'\ngem 'rack'\n"
    LOCK = <<~LOCK.sub("RACK", Gem::Specification.find_by_name("rack").version.to_s)
      GEM
        remote: https://localhost/
        specs:
          rack (RACK)

      PLATFORMS
        ruby

      DEPENDENCIES
        rack

      BUNDLED WITH
         %s
    LOCK

    def test_each_step_is_reported_with_its_duration
      _, frames = load("instance", "hello.ru")
      steps = ["working directory", "app loaded"].flat_map do |name|
        [[name, "begin"], [name, "done"]]
      end
      assert_equal(steps, frames[0..-2].map { |frame| frame.fields[0, 2] })
      frames[0..-2].each do |frame|
        assert_equal [50, true], [frame.type, frame.fields[2].match?(/\A\d+\z/)]
      end
      assert_equal [51, []], [frames.last.type, frames.last.fields]
    end

    def test_an_application_that_raises_fails_with_a_full_report
      step, name, message, backtrace = failure("raises.ru")
      assert_equal ["app loaded", "ArgumentError", "the fixture fails"], [step, name, message]
      assert_match(/raises\.ru:3/, backtrace)
      assert_match(/app_loader\.rb/, backtrace)
    end

    # The limit does not hold for root.
    def test_an_application_that_gets_no_thread_fails
      in_folder("config.ru" => <<~RUBY) do |root|
        Process::UID.change_privilege(65_534) if Process.uid.zero?
        Process.setrlimit(Process::RLIMIT_NPROC, 1)
        Thread.new { sleep }
      RUBY
        step, name, message, = failure("config.ru", app_root: root)
        assert_equal ["app loaded", "ThreadError"], [step, name]
        assert_match(/can't create Thread/, message)
      end
    end

    def test_an_application_that_exits_fails
      step, name, = failure("exits.ru")
      assert_equal ["app loaded", "SystemExit"], [step, name]
    end

    def test_a_syntax_error_names_file_and_line
      in_folder("config.ru" => "run(\n") do |root|
        step, name, message, = failure("config.ru", app_root: root)
        assert_equal ["app loaded", "SyntaxError"], [step, name]
        assert_match(/config\.ru:\d/, message)
      end
    end

    def test_a_missing_library_is_named
      _, name, message, = failure("missing_library.ru")
      assert_equal ["LoadError", true], [name, message.include?("a_library_that_is_not_there")]
    end

    def test_a_startup_file_that_is_not_there_fails
      assert_equal ["app loaded", "Errno::ENOENT"], failure("nothing.ru")[0, 2]
    end

    def test_a_startup_file_without_an_application_fails
      assert_equal "app loaded", failure("no_app.ru")[0]
    end

    def test_the_startup_file_has_any_name
      %w[config.ru.staging web.rackup passenger.rb].each do |name|
        in_folder(name => "run ->(_) { [200, {}, [File.basename(__FILE__)]] }\n") do |root|
          instance = loaded("instance", name, { app_root: root })
          assert_equal name, get(serve(instance), instance, "/")
        end
      end
    end

    def test_a_folder_that_is_not_there_fails
      step, name, message, = failure("hello.ru", app_root: "/nowhere")
      assert_equal ["working directory", "Errno::ENOENT"], [step, name]
      assert_includes message, "/nowhere"
    end

    def test_a_missing_gem_fails_the_bundler_step
      gemfile = "source 'https://localhost'\ngem 'a_gem_that_is_not_there'\n"
      in_folder("Gemfile" => gemfile, "config.ru" => "run ->(_) { [200, {}, []] }\n") do |root|
        step, name, message, = failure("config.ru", app_root: root)
        assert_equal ["Bundler", "Bundler::GemNotFound"], [step, name]
        assert_includes message, "a_gem_that_is_not_there"
      end
    end

    def test_gems_rb_names_the_gems_as_well
      gems = "source 'https://localhost'\ngem 'a_gem_that_is_not_there'\n"
      [{}, { "Gemfile" => "" }].each do |more|
        in_folder("gems.rb" => gems, "config.ru" => "", **more) do |root|
          assert_equal ["Bundler", "Bundler::GemNotFound"],
                       failure("config.ru", app_root: root).first(2)
        end
      end
      assert_equal "true nil", order_of_loading(preload: true, gemfile: "gems.rb")
    end

    def test_a_gemfile_that_a_variable_names_must_be_there
      { "/nowhere" => "GemfileNotFound", "" => "GemNotFound" }.each do |path, error|
        in_folder("Gemfile" => "gem 'a_gem_that_is_not_there'\n", "config.ru" => "") do |root|
          [{}, { "PASSENGER_PRELOAD_BUNDLER" => root }].each do |more|
            _, frames = load("instance", "config.ru", { app_root: root },
                             environment: { "BUNDLE_GEMFILE" => path, **more })
            assert_equal ["Bundler", "Bundler::#{error}"], frames.last.fields.first(2)
          end
        end
      end
    end

    def test_a_ruby_that_is_too_old_is_named
      older = "Object.send(:remove_const, :RUBY_VERSION); RUBY_VERSION = '2.6.10'; load ARGV[0]"
      %w[instance preloader].each do |role|
        program = "#{Peers::Agent::LIBRARY}/spawn/#{role}.rb"
        output, status = Open3.capture2e(RbConfig.ruby, "-e", older, program)
        assert_equal ["mod_passenger needs Ruby 2.7 or newer, and this is Ruby 2.6.10\n", 1],
                     [output, status.exitstatus]
      end
    end

    def test_config_setup_load_paths_comes_in_place_of_bundler
      in_folder("Gemfile" => "gem 'a_gem_that_is_not_there'\n",
                "config.ru" => 'run ->(_) { [200, {}, ["paths #{LOAD_PATHS_SET}"]] }') do |root|
        Dir.mkdir("#{root}/config")
        File.write("#{root}/config/setup_load_paths.rb", "LOAD_PATHS_SET = true\n")
        [{}, { "PASSENGER_PRELOAD_BUNDLER" => root }].each do |variables|
          instance = loaded("instance", "config.ru", { app_root: root }, environment: variables)
          assert_equal "paths true", get(serve(instance), instance, "/")
        end
      end
    end

    def test_with_preload_bundler_bundler_is_set_up_before_other_code_is_loaded
      assert_equal "true nil", order_of_loading(preload: true)
      assert_equal "false nil", order_of_loading(preload: false)
    end

    # Debian's package of Bundler may be installed beside Ruby's own.
    Gem::Specification.find_all_by_name("bundler").map { |gem| gem.version.to_s }
      .uniq.each do |version|
      { "instance" => false, "preloader" => false,
        "preloaded instance" => true }.each do |what, preload|
        define_method("test_#{what.tr(' ', '_')}_takes_the_locked_Bundler_#{version}") do
          versions = bundlers_of(what[/\w+$/], bundled_with: version, preload: preload)
          assert_equal [version, version], versions
        end
      end
    end

    def test_a_bundler_that_is_not_installed_is_replaced_by_the_newest
      newest = Gem::Specification.find_all_by_name("bundler").map(&:version).max.to_s
      assert_equal [newest, newest], bundlers_of("instance", bundled_with: "2.0.0", preload: false)
    end

    def test_a_failure_with_preload_bundler_is_reported_as_without_it
      in_folder("Gemfile" => "gem 'a_gem_that_is_not_there'\n", "config.ru" => "") do |root|
        _, frames = load("instance", "config.ru", { app_root: root },
                         environment: { "PASSENGER_PRELOAD_BUNDLER" => root })
        assert_equal [52, "Bundler", "Bundler::GemNotFound"],
                     [frames.last.type, *frames.last.fields[0, 2]]
      end
    end

    def test_a_failed_start_ends_the_process_and_is_in_its_output
      process, = load("instance", "raises.ru")
      assert_match(/event=app.load_failed .*step="app loaded" exception="ArgumentError"/,
                   output_of(process))
      assert_nil process.read
    end

    def test_a_preloader_fails_as_an_instance_does
      _, frames = load("preloader", "raises.ru")
      assert_equal [52, "ArgumentError"], [frames.last.type, frames.last.fields[1]]
    end

    def test_a_variable_that_cannot_be_set_fails
      assert_equal ["working directory", "Errno::EINVAL"],
                   failure("hello.ru", "env:A=B" => "1")[0, 2]
    end

    def test_a_hook_that_raises_fails_the_start
      ru = "PhusionPassenger.on_event(:starting_worker_process) { raise 'no database' }\n" \
           "run ->(_) { [200, {}, []] }\n"
      in_folder("config.ru" => ru) do |root|
        instance = loaded("instance", "config.ru", { app_root: root })
        group = closing(Peers::Group.new)
        instance.control.write(55, *Peers.serve_fields,
                               descriptors: [group.receiver, group.claims, group.withdrawals])
        assert_equal [52, ["starting hooks", "RuntimeError", "no database"]],
                     instance.read.then { |frame| [frame.type, frame.fields[0, 3]] }
      end
    end

    def test_variables_are_set_before_the_application_loads
      instance = loaded("instance", "probe.ru",
                        { "env:SECRET" => "with = and \n newline", base_uri: "/blog/" })
      seen = get(serve(instance), instance, "/env")
      ["RAILS_ENV=test", "RACK_ENV=test", "PASSENGER_APP_ENV=test", "SECRET=with = and \n newline",
       "RAILS_RELATIVE_URL_ROOT=/blog"].each { |line| assert_includes seen, line }
    end

    # io-wait 1.0.0 writes a warning where a Ruby has its methods. socket requires it where not.
    def test_the_library_requires_io_wait_by_socket_alone
      files = Dir.glob(File.join(LIBRARY, "**/*.rb"))
      refute_empty files
      assert_empty(files.select { |file| File.read(file).include?('require "io/wait"') })
    end

    private

    # Returns whether Bundler was loaded before Passenger's code, and the value of the variable that
    # demands this.
    def order_of_loading(preload:, gemfile: "Gemfile")
      ru = <<~RUBY
        places = %w[/bundler.rb /frame_socket.rb].map do |name|
          $LOADED_FEATURES.index { |path| path.end_with?(name) }
        end
        first = places[0] < places[1]
        run ->(_) { [200, {}, ["\#{first} \#{ENV['PASSENGER_PRELOAD_BUNDLER'].inspect}"]] }
      RUBY
      in_folder(gemfile => "gem 'rack'\n", "config.ru" => ru) do |root|
        variables = preload ? { "PASSENGER_PRELOAD_BUNDLER" => root } : {}
        instance = loaded("instance", "config.ru", { app_root: root }, environment: variables)
        return get(serve(instance), instance, "/")
      end
    end

    # Returns the versions of Bundler and of its gem after the application has required both.
    def bundlers_of(role, bundled_with:, preload:)
      ru = <<~RUBY
        require "bundler/setup"
        run ->(_) { [200, {}, ["\#{Bundler::VERSION} \#{Gem.loaded_specs['bundler'].version}"]] }
      RUBY
      in_folder("Gemfile" => GEMFILE, "Gemfile.lock" => format(LOCK, bundled_with),
                "config.ru" => ru) do |root|
        variables = preload ? { "PASSENGER_PRELOAD_BUNDLER" => root } : {}
        process = loaded(role, "config.ru", { app_root: root }, environment: variables)
        process = forked_from(process) if role == "preloader"
        return get(serve(process), process, "/").split
      end
    end

    def failure(startup_file, more_options = {})
      _, frames = load("instance", startup_file, more_options)
      assert_equal 52, frames.last&.type
      assert_equal "failed", frames[-2].fields[1]
      frames.last.fields
    end
  end
end
