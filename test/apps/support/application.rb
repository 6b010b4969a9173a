# frozen_string_literal: true

require "json"
require "minitest"
require "open3"
require_relative "../../integration/support/sample_apps"
require_relative "../../integration/support/eventually"
require_relative "browser"

# A real application: what it needs, its files, its configuration, and checks of what it serves. A
# subclass describes one of them; an object is one trial of it on one server.
class Application
  include Minitest::Assertions
  include Eventually

  # `gap`: why it is known to fail here; nil if it must pass.
  Check = Struct.new(:sentence, :gap, :block, keyword_init: true)

  SITES = File.expand_path("../sites", __dir__)

  class << self
    def all
      @all ||= []
    end

    def inherited(application)
      super
      Application.all << application
    end

    # The name in the table.
    def title(text = nil)
      @title = text if text
      @title || name
    end

    # "name@version" of the npm registry; they are installed into the cache.
    def npm(*packages)
      npm_packages.concat(packages)
    end

    def npm_packages
      @npm_packages ||= []
    end

    # Debian's packages; the application is skipped if one is not installed.
    def debian(*packages)
      debian_packages.concat(packages)
    end

    def debian_packages
      @debian_packages ||= []
    end

    # The folder with the application's own files, and the name of its copies.
    def source
      File.join(SITES, file_name)
    end

    def file_name
      @file_name ||= name.gsub(/(?<=[a-z])(?=[A-Z])/, "_").downcase
    end

    # A command that makes further files of the application's. It runs once, in the cache.
    def build(*command)
      @build_command = command unless command.empty?
      @build_command
    end

    # Commands for each trial's copy of the application, in its folder.
    def prepare(*commands)
      preparations.concat(commands)
    end

    def preparations
      @preparations ||= []
    end

    # A directive for the whole server.
    def set(name, value)
      settings[name] = value
    end

    def settings
      @settings ||= {}
    end

    # Lines of both virtual hosts; a block gets the trial's folder.
    def directives(&block)
      @directives = block if block
      @directives || proc { "" }
    end

    def check(sentence, gap: nil, &block)
      checks << Check.new(sentence: sentence, gap: gap, block: block)
    end

    def checks
      @checks ||= []
    end
  end

  attr_accessor :assertions
  attr_reader :folder, :server

  # `cache` is the application's folder with the installed packages.
  def initialize(folder, server, cache)
    @folder = folder
    @server = server
    @cache = cache
    @assertions = 0
  end

  def call(check)
    instance_exec(&check.block)
  end

  def browser(tls: false)
    Browser.new(server, tls: tls)
  end

  def url(tls: false)
    tls ? "https://127.0.0.1:#{server.configuration.tls_port}" : "http://127.0.0.1:#{server.port}"
  end

  def assert_status(expected, answer)
    assert_equal expected, answer.code.to_i, answer.body.to_s.gsub(/\s+/, " ")[0, 200]
    answer
  end

  # Runs the block in so many threads at once; returns the values.
  def at_once(count)
    Array.new(count) { |number| Thread.new { yield number } }
      .each { |thread| thread.report_on_exception = false }.map(&:value)
  end

  # The output of a client program, which must succeed. It finds the application's npm packages.
  def client(*command, environment: {}, within: 120, chdir: folder)
    modules = { "NODE_PATH" => File.join(@cache, "node_modules") }
    output, status = Open3.capture2e(modules.merge(environment), "timeout", within.to_s, *command,
                                     chdir: chdir)
    assert status.success?, "#{command.first(2).join(' ')}: #{output[-400..] || output}"
    output
  end

  def client_program(name)
    File.expand_path("../clients/#{name}", __dir__)
  end
end
