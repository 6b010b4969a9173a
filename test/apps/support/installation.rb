# frozen_string_literal: true

require "digest"
require "fileutils"
require "json"
require "open3"
require_relative "../../integration/support/environment"

# Installs what an application needs into a cache below the build folder, once, and copies the
# application from there.
class Installation
  # The application is skipped; the message is the reason.
  class Missing < StandardError; end

  CACHE = File.join(TestEnvironment::BUILD_DIR, "apps")

  attr_reader :folder

  def initialize(application)
    @application = application
    @folder = File.join(CACHE, application.file_name)
  end

  def ready
    needs_debian
    mark = File.join(folder, ".installed")
    return self if File.exist?(mark) && File.read(mark) == fingerprint

    install
    File.write(mark, fingerprint)
    self
  end

  # A new copy of the application, which belongs to httpd's user.
  def copy
    SampleApps.new_folder.tap do |copy|
      names = Dir.children(folder) - %w[node_modules .installed]
      FileUtils.cp_r(names.map { |name| File.join(folder, name) }, copy)
      modules = File.join(folder, "node_modules")
      FileUtils.ln_s(modules, copy) if File.exist?(modules)
      FileUtils.mkdir_p(%w[public tmp log].map { |name| File.join(copy, name) })
      prepare(copy)
      TestEnvironment.hand_over(copy)
    end
  end

  # Names and versions of the packages that the application is made of.
  def versions
    application.npm_packages.map do |package|
      name = package[/\A@?[^@]+/]
      "#{name} #{JSON.parse(File.read("#{folder}/node_modules/#{name}/package.json"))['version']}"
    end + application.debian_packages.map { |name| "#{name} #{debian_version(name)}" }
  end

  private

  # Of all that is installed and built.
  def fingerprint
    @fingerprint ||= begin
      files = Dir.glob("#{application.source}/**/*").select { |file| File.file?(file) }.sort
      Digest::SHA256.hexdigest([application.npm_packages, application.build,
                                files.map { |file| [file, File.binread(file)] }].inspect)
    end
  end

  attr_reader :application

  def needs_debian
    missing = application.debian_packages.reject { |name| debian_version(name) }
    return if missing.empty?

    raise Missing, "apt-get install --no-install-recommends #{missing.join(' ')}"
  end

  def debian_version(name)
    output, = Open3.capture2("dpkg-query", "-W", "-f=${db:Status-Status} ${Version}", name,
                             err: File::NULL)
    output[/\Ainstalled (.+)/, 1]
  end

  def install
    FileUtils.mkdir_p(folder)
    FileUtils.cp_r("#{application.source}/.", folder) if File.directory?(application.source)
    unless application.npm_packages.empty?
      raise Missing, "there is no npm" unless TestEnvironment.find_command("npm")

      unless File.exist?(File.join(folder, "package.json"))
        File.write(File.join(folder, "package.json"), "{ \"private\": true }\n")
      end
      run("npm", "install", "--no-audit", "--no-fund", "--no-progress", *application.npm_packages)
    end
    run(*application.build) if application.build
  end

  def prepare(copy)
    application.preparations.each { |command| run(*command, chdir: copy) }
  end

  def run(*command, chdir: folder)
    output, status = Open3.capture2e({ "NEXT_TELEMETRY_DISABLED" => "1" }, *command, chdir: chdir)
    raise Missing, "#{command.join(' ')}: #{output.lines.last(5).join}" unless status.success?
  end
end
