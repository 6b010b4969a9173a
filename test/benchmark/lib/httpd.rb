# frozen_string_literal: true

require 'fileutils'
require 'openssl'
require 'socket'
require_relative 'awaiting'
require_relative 'failure'
require_relative 'kept_process'
require_relative 'process_tree'

module Bench
  # A private httpd on 127.0.0.1 with a ServerRoot of its own. The number of children is fixed, so
  # that no server gains or loses by children that start or end during a round.
  class Httpd
    include Awaiting

    # The program and the folder of its modules, by apxs if it is installed.
    def self.installation
      @installation ||= begin
        apxs = ENV.fetch('APXS', 'apxs')
        program, modules =
          `#{apxs} -q sbindir progname libexecdir 2>/dev/null`.strip.split(';;').then do |values|
          if values.length == 3
            ["#{values[0]}/#{values[1]}", values[2]]
          else
            ['/usr/sbin/apache2', '/usr/lib/apache2/modules']
          end
        end
        unless File.executable?(program)
          raise Failure, 'There is no httpd: install the package apache2'
        end

        { program: program, modules: modules,
          built_in: `#{program} -l`.scan(/mod_(\w+)\.c/).flatten }
      rescue Errno::ENOENT
        raise Failure, 'There is no httpd: install the package apache2'
      end
    end

    def self.version
      `#{installation[:program]} -v`[%r{Apache/(\S+)}, 1]
    end

    def self.module_file(name)
      File.join(installation[:modules], "mod_#{name}.so")
    end

    attr_reader :port, :folder, :process

    def initialize(places, folder, arrangement)
      @places = places
      @folder = folder
      @arrangement = arrangement
      @port = TCPServer.open('127.0.0.1', 0) { |socket| socket.addr[1] }
      FileUtils.mkdir_p(@folder)
    end

    # load: names of httpd's own modules; directives: the server's own.
    def start(load:, directives:)
      file = File.join(@folder, 'httpd.conf')
      File.write(file, configuration(load) + directives)
      @process = KeptProcess.new([self.class.installation[:program], '-d', @folder, '-f', file,
                                  '-DFOREGROUND'],
                                 log: log)
    end

    def log
      File.join(@folder, 'error.log')
    end

    def tls?
      @arrangement.tls
    end

    # The only child.
    def child
      tree = ProcessTree.new
      parent = tree.below(@process.keeper).find { |process| process.parent == @process.keeper }
      tree.below(parent.pid)
        .find { |process| process.parent == parent.pid && process.name == parent.name }.pid
    end

    def log_end
      Dir.glob(File.join(@folder, '*.log')).map { |file| File.readlines(file).last(15).join }.join
    end

    private

    def load_module(name)
      "LoadModule #{name}_module \"#{self.class.module_file(name)}\""
    end

    def configuration(load)
      modules = (%W[unixd log_config mpm_#{@arrangement.mpm} authz_core mime dir
                    env] + tls_modules + load) - self.class.installation[:built_in]
      <<~CONFIGURATION
        #{modules.map { |name| load_module(name) }.join("\n")}
        #{"User #{@places.user}\nGroup #{@places.group}" if @places.user}
        ServerName 127.0.0.1
        Listen 127.0.0.1:#{@port}
        PidFile "#{@folder}/httpd.pid"
        DefaultRuntimeDir "#{@folder}"
        ErrorLog "#{log}"
        LogLevel warn
        TypesConfig /dev/null
        #{process_directives}
        #{tls_directives}
        MaxConnectionsPerChild 0
        KeepAlive On
        MaxKeepAliveRequests 0
        KeepAliveTimeout 5
        <Directory "/">
            AllowOverride None
            Require all granted
        </Directory>
      CONFIGURATION
    end

    def tls_modules
      tls? ? %w[socache_shmcb ssl http2] : []
    end

    # What Debian's configuration says besides is not in the way of comparisons.
    def tls_directives
      return '' unless tls?

      write_certificate
      <<~DIRECTIVES
        Protocols h2 http/1.1
        SSLEngine on
        SSLCertificateFile "#{certificate}"
        SSLSessionCache none
      DIRECTIVES
    end

    def certificate
      File.join(@folder, 'tls.pem')
    end

    def write_certificate
      key = OpenSSL::PKey::RSA.new(2048)
      made = OpenSSL::X509::Certificate.new
      made.subject = made.issuer = OpenSSL::X509::Name.parse('/CN=127.0.0.1')
      made.not_before = Time.now - 3_600
      made.not_after = Time.now + 86_400
      made.public_key = key.public_key
      made.sign(key, OpenSSL::Digest.new('SHA256'))
      File.write(certificate, made.to_pem + key.to_pem)
    end

    def process_directives
      children = @arrangement.children
      return <<~DIRECTIVES if @arrangement.threads.zero?
        ServerLimit #{children}
        StartServers #{children}
        MaxRequestWorkers #{children}
      DIRECTIVES

      threads = children * @arrangement.threads
      <<~DIRECTIVES
        ServerLimit #{children}
        StartServers #{children}
        ThreadLimit #{@arrangement.threads}
        ThreadsPerChild #{@arrangement.threads}
        MaxRequestWorkers #{threads}
        MaxSpareThreads #{threads}
      DIRECTIVES
    end
  end
end
