# frozen_string_literal: true

require "fileutils"
require "open3"
require "tmpdir"

require_relative "environment"

# Applications to serve. Each is a copy that belongs to httpd's user; a test may change it.
module SampleApps
  SECRET = "5" * 128

  module_function

  # The Rails application. It is prepared once for each build; each process of tests has a copy.
  def rails
    @rails ||= new_rails
  end

  # A copy of its own.
  def new_rails
    File.join(new_folder, "rails_app").tap do |folder|
      FileUtils.cp_r(prepared_rails, folder, preserve: true)
    end
  end

  def prepared_rails
    folder = File.join(TestEnvironment::WORK_DIR, "rails_app")
    prepare = File.join(TestEnvironment::STUB_DIR, "rails_app/bin/prepare")
    File.open("#{folder}.lock", "w") do |lock|
      lock.flock(File::LOCK_EX)
      output, status = Open3.capture2e(prepare, folder, TestEnvironment::WEB_USER)
      raise "#{prepare} failed:\n#{output}" unless status.success?
    end
    folder
  end

  def rack
    copy("rack_app")
  end

  # `kind`: raises, exits or syntax_error.
  def failing(kind)
    copy("boot_failures/#{kind}")
  end

  # An application that consists of this file alone.
  def written(text, file = "config.ru")
    folder = new_folder
    FileUtils.mkdir_p([File.join(folder, "public"), File.join(folder, "tmp")])
    File.write(File.join(folder, file), text)
    TestEnvironment.hand_over(folder)
  end

  # A config.ru that always answers with this text.
  def saying(text)
    <<~RUBY
      run proc { |_env| [200, { "Content-Type" => "text/plain" }, [#{text.dump}]] }
    RUBY
  end

  def copy(name)
    folder = new_folder
    FileUtils.cp_r(File.join(TestEnvironment::STUB_DIR, name, "."), folder)
    FileUtils.mkdir_p(File.join(folder, "tmp"))
    TestEnvironment.hand_over(folder)
  end

  # A test may have removed even the owner's permissions.
  def remove(folder)
    File.chmod(0o700, folder) if File.owned?(folder)
    FileUtils.rm_rf(folder)
  end

  # All folders of applications; they are removed at the end of the tests.
  def folders
    @folders ||= []
  end

  def new_folder(parent = TestEnvironment::WORK_DIR)
    FileUtils.mkdir_p(parent)
    folder = Dir.mktmpdir("app-", parent)
    FileUtils.chmod(0o755, folder)
    folders << folder
    folder
  end
end

at_exit do
  SampleApps.folders.each { |folder| SampleApps.remove(folder) } unless ENV["KEEP"]
end
