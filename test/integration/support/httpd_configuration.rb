# frozen_string_literal: true

require_relative "environment"

# The text of a private httpd.conf: modules, the number of children, and a name-based virtual host
# for each site.
class HttpdConfiguration
  # A virtual host; `root` is the application's folder, or nil.
  Site = Struct.new(:name, :root, :directives, :document_root, :tls, keyword_init: true)

  MODULES = %w[authz_core mime dir alias env setenvif rewrite headers].freeze

  # Few children, and always the same number, so that tests can compare before and after. A child
  # without idle threads closes kept connections, which most clients here count as a failure. So
  # each child has threads for all clients.
  MPM_SETTINGS = {
    "event" => "StartServers 2\nServerLimit 2\nMinSpareThreads 1\nMaxSpareThreads 100\n" \
               "ThreadsPerChild 50\n" \
               "MaxRequestWorkers 100\nMaxConnectionsPerChild 0",
    "prefork" => "StartServers 8\nMinSpareServers 1\nMaxSpareServers 50\nMaxRequestWorkers 50"
  }.freeze

  # `error_log` is the value of ErrorLog, with %s for the log file's path. `run_as`: the user that
  # starts httpd, if not the user of the tests. `descriptor_limit`: soft and hard, of each process.
  # `file_size_limit`: the same, in KiB. `mounts`: folders of the test by the folders in whose place
  # httpd and its processes see them, which needs root and unshare(1). `address` and `port`: where
  # httpd listens; without a port it takes a free one.
  attr_accessor :address, :port, :run_as, :mpm, :mpm_settings, :passenger, :passenger_module,
                :passenger_root, :directives, :main_directives, :tls_port, :error_log,
                :descriptor_limit, :file_size_limit, :mounts
  attr_reader :sites

  def initialize
    @address = "127.0.0.1"
    @mpm = ENV.fetch("TEST_MPM", "event")
    @passenger = true
    @passenger_module = TestEnvironment::PASSENGER_MODULE
    @passenger_root = TestEnvironment::PASSENGER_ROOT
    @directives = {
      "PassengerMaxPoolSize" => 6, "PassengerStatThrottleRate" => 0, "PassengerLogLevel" => 4,
      "PassengerDefaultRuby" => RbConfig.ruby
    }
    @main_directives = +""
    @error_log = "%s"
    @mounts = {}
    @sites = []
  end

  # For tests of what each child keeps for itself, such as the answers of Turbocaching.
  def use_one_child
    workers = mpm == "prefork" ? "MaxRequestWorkers 1" : "ThreadsPerChild 50\nMaxRequestWorkers 50"
    @mpm_settings = "StartServers 1\nServerLimit 1\n#{workers}\n"
  end

  # `directives` is text inside the virtual host.
  def site(name, root, directives = "", document_root: nil, tls: false)
    document_root ||= File.join(root, "public")
    @sites << Site.new(name: name, root: root, directives: directives, document_root: document_root,
                       tls: tls)
  end

  # A server-wide directive; nil removes it.
  def set(name, value)
    @directives[name] = value
  end

  # `spawn_dir`: the default of PassengerSpawnDir.
  def text(folder, port, spawn_dir)
    [server(folder, port), passenger_part(spawn_dir), main_directives, tls_part,
     *sites.map { |one| virtual_host(one, port) }]
      .join("\n")
  end

  def tls?
    !tls_port.nil?
  end

  private

  def server(folder, port)
    <<~CONF
      ServerRoot "#{folder}"
      ServerName 127.0.0.1
      Listen #{address}:#{port}
      PidFile "#{folder}/httpd.pid"
      DefaultRuntimeDir "#{folder}/run"
      #{load_modules(["mpm_#{mpm}", *MODULES])}
      #{user_and_group}
      #{mpm_settings || MPM_SETTINGS.fetch(mpm, MPM_SETTINGS['event'])}
      Timeout 20
      KeepAlive On
      MaxKeepAliveRequests 0
      KeepAliveTimeout 5
      GracefulShutdownTimeout 5
      LogLevel info
      ErrorLog "#{format(error_log, "#{folder}/logs/error.log")}"
      LogFormat "%m %U%q %>s %O %D" short
      CustomLog "#{folder}/logs/access.log" short
      <Directory "/">
        AllowOverride None
        Require all granted
        Options FollowSymLinks
      </Directory>
      #{'TypesConfig /etc/mime.types' if File.exist?('/etc/mime.types')}
      #{'TypesConfig /dev/null' unless File.exist?('/etc/mime.types')}
    CONF
  end

  def user_and_group
    return "" unless TestEnvironment.root? && !run_as

    "User #{TestEnvironment::WEB_USER}\nGroup #{web_group}"
  end

  def web_group
    Etc.getgrgid(Etc.getpwnam(TestEnvironment::WEB_USER).gid).name
  end

  def load_modules(names)
    names.filter_map do |name|
      file = File.join(TestEnvironment.modules_dir, "mod_#{name}.so")
      next if TestEnvironment.compiled_in.include?("mod_#{name}.c") || !File.exist?(file)

      "LoadModule #{name}_module \"#{file}\""
    end.join("\n")
  end

  def passenger_part(spawn_dir)
    return "" unless passenger

    all = { "PassengerSpawnDir" => spawn_dir }.merge(@directives)
    lines = all.compact.map { |name, value| "#{name} #{value}" }
    <<~CONF
      LoadModule passenger_module "#{passenger_module}"
      PassengerRoot "#{passenger_root}"
      #{ENV['TEST_DIRECTIVES']}
      #{lines.join("\n")}
    CONF
  end

  def tls_part
    return "" unless tls?

    <<~CONF
      #{load_modules(%w[socache_shmcb ssl])}
      Listen #{address}:#{tls_port}
      SSLSessionCache none
    CONF
  end

  def virtual_host(site, port)
    <<~CONF
      <VirtualHost #{address}:#{site.tls ? tls_port : port}>
        ServerName #{site.name}
        DocumentRoot "#{site.document_root}"
        #{"SSLEngine on\n  SSLCertificateFile tls.pem" if site.tls}
        #{site.directives.lines.join('  ')}
      </VirtualHost>
    CONF
  end
end
