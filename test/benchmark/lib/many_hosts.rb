# frozen_string_literal: true

require 'etc'
require 'net/http'
require 'optparse'
require_relative 'app'
require_relative 'arrangement'
require_relative 'httpd'
require_relative 'memory'
require_relative 'places'
require_relative 'thread_times'

module Bench
  # Starts and reloads of httpd with many virtual hosts, each with an application, beside the same
  # configuration without the module; and the agent with many idle applications. CPU times are the
  # least of several rounds, so that other work on the machine counts little.
  class ManyHosts
    ARRANGEMENT = Arrangement.new(app: 'hello', children: 1, threads: 25)
    READY = 'resuming normal operations'
    LONGEST = 120 # seconds

    def self.main(arguments)
      options = { hosts: [1000, 10_000], rounds: 5, idle: 0, seconds: 60,
                  build: ENV.fetch('BUILD_DIR') { File.join(Places::SOURCE, 'build') } }
      OptionParser.new do |parser|
        parser.banner = 'Usage: test/benchmark/run-hosts [options]'
        parser.on('--hosts NUMBERS', Array, 'virtual hosts (1000,10000)') do |numbers|
          options[:hosts] = numbers.map { |number| Integer(number) }
        end
        parser.on('--rounds N', Integer, 'starts and reloads of each (5)')
        parser.on('--plain', 'virtual hosts without directives of the module')
        parser.on('--idle N', Integer, 'applications that are up and idle; no reloads (0)')
        parser.on('--seconds N', Integer, 'how long --idle looks (60)')
        parser.on('--build FOLDER', 'the build (build)')
      end.parse!(arguments, into: options)
      new(options).run
    rescue Failure, OptionParser::ParseError => error
      abort "benchmark: #{error.message}"
    end

    def initialize(options)
      @options = options
      @places = Places.new(options[:build])
    end

    def run
      @places.create
      @app = App.prepare('hello', @places)
      @options[:hosts].each do |hosts|
        @sites = Array.new(hosts) { |number| site(number) }
        @options[:idle].positive? ? idle : compare
      end
      0
    ensure
      @places.remove
    end

    private

    # The folders of all are links to one application.
    def site(number)
      name = format('app%05d', number)
      folder = File.join(@places.run_folder, 'apps', name)
      File.symlink(@app.folder, folder) unless File.symlink?(folder)
      App::Site.new(name: "#{name}.test", folder: folder)
    end

    def compare
      bare = measure(with_module: false)
      ours = measure(with_module: true)
      puts "#{@sites.length} virtual hosts: least CPU ms of #{@options[:rounds]} (clock)"
      ours.each do |what, time|
        other = bare[what]
        puts format('  %-24s %8.1f%s', what, time.cpu * 1000, other ? beside(time, other) : '')
      end
    end

    def beside(time, bare)
      format(' (%7.1f), bare %8.1f (%7.1f): %.2f times (%.2f)', time.clock * 1000, bare.cpu * 1000,
             bare.clock * 1000, time.cpu / bare.cpu, time.clock / bare.clock)
    end

    # Times by what was measured.
    def measure(with_module:)
      rounds = Array.new(@options[:rounds]) do
        serve(with_module) do |start|
          { 'httpd starts' => start, **reload }
        end
      end
      rounds.flat_map(&:to_a).group_by(&:first).transform_values do |found|
        ThreadTimes::Time.new(*found.map { |_, time| time.to_a }.transpose.map(&:min))
      end
    end

    # Yields the times of the start.
    def serve(with_module)
      @httpd = Httpd.new(@places, File.join(@places.run_folder, 'httpd'), ARRANGEMENT)
      FileUtils.rm_f(@httpd.log)
      began = ThreadTimes.now
      @httpd.start(load: %w[alias setenvif], directives: directives(with_module))
      await_ready(1)
      yield ThreadTimes::Time.new(ThreadTimes.cpu(parent), ThreadTimes.now - began)
    ensure
      @httpd.process&.finish
    end

    def reload
      processes = { 'httpd reloads' => parent, **agent }
      before = processes.transform_values { |pid| ThreadTimes.settled(pid) }
      began = ThreadTimes.now
      Process.kill('USR1', parent)
      await_ready(2)
      clock = ThreadTimes.now - began
      processes.to_h do |name, pid|
        [name, ThreadTimes::Time.new(ThreadTimes.settled(pid) - before[name], clock)]
      end
    end

    def await_ready(count)
      deadline = ThreadTimes.now + LONGEST
      until File.exist?(@httpd.log) && File.read(@httpd.log).scan(READY).length >= count
        raise Failure, "httpd is not ready:\n#{@httpd.log_end}" if ThreadTimes.now > deadline

        sleep 0.002
      end
    end

    def parent
      Integer(File.read(File.join(@httpd.folder, 'httpd.pid')))
    end

    # The pids of the agent's processes, but for those that the rights process forks.
    def agent
      ProcessTree.new.below(@httpd.process.keeper).each_with_object({}) do |process, found|
        role = File.read("/proc/#{process.pid}/cmdline")
          .tr("\0", ' ')[/passenger-agent (pool|rights|watchdog|anchor)/, 1]
        found["  its agent's #{role}"] ||= process.pid if role
      rescue Errno::ENOENT, Errno::ESRCH
        nil
      end
    end

    def directives(with_module)
      server = <<~DIRECTIVES
        LogLevel notice
        LoadModule passenger_module "#{@places.passenger_module}"
        PassengerRoot "#{@places.passenger_root}"
        PassengerDefaultRuby "#{RbConfig.ruby}"
        PassengerMaxPoolSize #{[@options[:idle], 6].max}
        PassengerPoolIdleTime 0
        PassengerSpawnMethod direct
      DIRECTIVES
      text = server + @sites.map { |site| virtual_host(site) }.join
      with_module ? text : text.gsub(/^\s*(?:LoadModule passenger_module|Passenger).*\n/, '')
    end

    def virtual_host(site)
      <<~DIRECTIVES
        <VirtualHost 127.0.0.1:#{@httpd.port}>
            ServerName #{site.name}
            DocumentRoot "#{site.folder}/public"
            <Directory "#{site.folder}/public">
                Require all granted
            </Directory>
            #{site_directives(site) unless @options[:plain]}
            SetEnv SECRET_KEY_BASE #{site.name.sum.to_s * 8}
        </VirtualHost>
      DIRECTIVES
    end

    def site_directives(site)
      ["PassengerAppRoot \"#{site.folder}\"", "PassengerMinInstances 1",
       *("PassengerUser #{@places.user}" if @places.user)].join("\n")
    end

    def idle
      serve(true) do
        empty = memory
        up = @sites.first(@options[:idle])
        up.each { |site| ask(site) }
        sleep 15 # until the agent has done what follows the starts
        before = switches
        sleep @options[:seconds]
        tell_idle(before, switches, up.length)
        puts format('  agent: %.1f MB without an application, %.1f MB with these: %.1f KB each',
                    empty / 1024.0, memory / 1024.0, (memory - empty) / up.length.to_f)
      end
    end

    def ask(site)
      status = Net::HTTP.start('127.0.0.1', @httpd.port, read_timeout: LONGEST) do |http|
        http.get('/hello', 'Host' => site.name).code
      end
      raise Failure, "#{site.name} answered #{status}:\n#{@httpd.log_end}" unless status == '200'
    end

    # KB, of all processes of the agent, those of the rights process, too.
    def memory
      agent_tree.sum { |pid| Memory.of(pid)&.proportional.to_i }
    end

    def agent_tree
      tree = ProcessTree.new
      agents = tree.below(@httpd.process.keeper).select { |one| one.name == 'passenger-agent' }
      agents.map(&:pid)
    end

    # Voluntary switches by process and thread.
    def switches
      agent.merge(rights_children).transform_values { |pid| ThreadTimes.switches(pid) }
    end

    def rights_children
      rights = agent["  its agent's rights"]
      children = ProcessTree.new.below(rights.to_i).select { |process| process.parent == rights }
      children.each_with_index.to_h do |process, index|
        ["    a child of rights, #{index}", process.pid]
      end
    end

    def tell_idle(before, after, up)
      puts "#{@sites.length} configured, #{up} up and idle: voluntary switches a second"
      after.each do |process, threads|
        threads.each do |(thread, name), count|
          rate = (count - before.fetch(process, {}).fetch([thread, name], 0)) /
            @options[:seconds].to_f
          puts format('  %-28s %-16s %7.2f', process, name, rate) if rate >= 0.01
        end
      end
    end
  end
end
