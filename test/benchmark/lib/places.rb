# frozen_string_literal: true

require 'etc'
require 'fileutils'
require_relative 'failure'

module Bench
  # Paths, and the user of servers. All files are below build/benchmark. Files that only this run
  # needs are below run_folder, which is removed at the end.
  class Places
    SOURCE = File.expand_path('../../..', __dir__)
    LONGEST_SOCKET_PATH = 107
    # Phusion Passenger's passenger.XXXXXXX/agents.s/ust_router_api, with some room
    LONGEST_SOCKET_NAME = 45

    attr_reader :build, :run_folder

    def initialize(build)
      @build = File.expand_path(build)
      @run_folder = File.join(work_folder, "run.#{Process.pid}")
    end

    def work_folder
      File.join(@build, 'benchmark')
    end

    def benchmark_source
      File.join(SOURCE, 'test', 'benchmark')
    end

    # A program that `make bench` builds.
    def tool(name)
      File.join(@build, 'test', 'benchmark', name)
    end

    def passenger_root
      ENV.fetch('PASSENGER_ROOT') { File.join(@build, 'root') }
    end

    def passenger_module
      ENV.fetch('PASSENGER_MODULE') { File.join(@build, 'ext/apache2/.libs/mod_passenger.so') }
    end

    # The user of httpd's children and of the applications if root starts the benchmark; nil for an
    # ordinary user.
    def user
      return nil unless Process.uid.zero?

      @user ||= %w[www-data nobody].find do |name|
        Etc.to_enum(:passwd).any? { |entry| entry.name == name }
      end
    end

    def group
      user && Etc.getgrgid(Etc.getpwnam(user).gid).name
    end

    def create
      check_socket_paths
      remove_stale
      FileUtils.mkdir_p(@run_folder)
      File.chmod(0o755, work_folder, @run_folder)
      check_reachable
    end

    def remove
      FileUtils.rm_rf(@run_folder)
    end

    def give_to_user(folder)
      FileUtils.chown_R(user, group, folder) if user
    end

    private

    # Removes the files of benchmarks that were killed.
    def remove_stale
      Dir.glob(File.join(work_folder, 'run.*')).each do |folder|
        FileUtils.rm_rf(folder) unless File.exist?("/proc/#{folder[/\d+\z/]}")
      end
    end

    def check_socket_paths
      return if @run_folder.bytesize + LONGEST_SOCKET_NAME <= LONGEST_SOCKET_PATH

      raise Failure, "#{@build} is too long a path for Unix sockets below it; use a shorter one " \
                     "(--build)"
    end

    def check_reachable
      return unless user

      folder = @run_folder
      until folder == '/'
        if File.stat(folder).mode.nobits?(0o001)
          raise Failure, "#{folder} is closed to #{user}, as whom httpd and the applications " \
                         "run: chmod o+x it, " \
                         'or start the benchmark as an ordinary user'
        end
        folder = File.dirname(folder)
      end
    end
  end
end
