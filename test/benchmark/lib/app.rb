# frozen_string_literal: true

require 'fileutils'
require_relative 'failure'

module Bench
  # An application, ready to be served from a copy in the run folder.
  class App
    SECRET = 'benchmark-' * 12

    # A copy of an application with a virtual host of its own.
    Site = Struct.new(:name, :folder, keyword_init: true)

    # The interface of each application that is not Ruby's, and what it needs: a command that is
    # successful where that is installed.
    Kind = Struct.new(:interface, :package, :check, keyword_init: true)
    PYTHON = '/usr/bin/python3'
    # Debian's.
    NODE_PACKAGES = '/usr/share/nodejs'
    KINDS = {
      'wsgi' => Kind.new(interface: :wsgi),
      'django' => Kind.new(interface: :wsgi, package: 'python3-django',
                           check: [PYTHON, '-c', 'import django']),
      'asgi' => Kind.new(interface: :asgi),
      'fastapi' => Kind.new(interface: :asgi, package: 'python3-fastapi',
                            check: [PYTHON, '-c', 'import fastapi']),
      'node' => Kind.new(interface: :node),
      'express' => Kind.new(interface: :node, package: 'node-express',
                            check: [{ 'NODE_PATH' => NODE_PACKAGES }, 'node', '-e',
                                    'require("express")']),
      'sockets' => Kind.new(interface: :node),
      # The application of Node, started as any program.
      'command' => Kind.new(interface: :command)
    }.freeze

    attr_reader :name, :folder, :environment

    # :rack, :wsgi, :asgi, :node or :command.
    def self.interface(name)
      KINDS[name]&.interface || :rack
    end

    def initialize(name, folder, environment = {})
      @name = name
      @folder = folder
      @environment = environment
    end

    # The source folder of the Rails application; it belongs to the tests, which use it, too.
    def self.rails_source
      File.join(Places::SOURCE, 'test', 'stub', 'rails_app')
    end

    def self.environment(name)
      name == 'rails' ? { 'RAILS_ENV' => 'production', 'SECRET_KEY_BASE' => SECRET } : {}
    end

    def self.missing(name)
      check = KINDS[name]&.check
      return "install the package #{KINDS[name].package}" if check && !found?(check)
      return nil unless name == 'rails'
      return nil if File.executable?(File.join(rails_source, 'bin', 'prepare'))

      'test/stub/rails_app/bin/prepare is not there'
    end

    def self.prepare(name, places)
      folder = File.join(places.run_folder, 'apps', name)
      FileUtils.rm_rf(folder)
      FileUtils.mkdir_p(File.dirname(folder))
      app = name == 'rails' ? prepare_rails(folder, places) : prepare_plain(name, folder, places)
      FileUtils.mkdir_p(File.join(folder, 'public'))
      places.give_to_user(folder)
      app
    end

    def copy(number, places)
      name = format('app%04d', number) # all of one length
      folder = File.join(File.dirname(@folder), name)
      FileUtils.cp_r(@folder, folder)
      places.give_to_user(folder)
      Site.new(name: "#{name}.test", folder: folder)
    end

    def self.prepare_plain(name, folder, places)
      source = name == 'command' ? 'node' : name
      FileUtils.cp_r(File.join(places.benchmark_source, 'apps', source), folder)
      new(name, folder)
    end

    def self.found?(command)
      system(*command, out: File::NULL, err: File::NULL) || false
    end

    def self.prepare_rails(folder, places)
      log = File.join(places.run_folder, 'prepare.log')
      unless system(environment('rails'), File.join(rails_source, 'bin', 'prepare'), folder,
                    *places.user, out: log, err: %i[child out])
        raise Failure, "bin/prepare of the Rails application failed:\n#{File.read(log)}"
      end
      new('rails', folder, environment('rails'))
    end

    private_class_method :prepare_plain, :prepare_rails, :found?
  end
end
