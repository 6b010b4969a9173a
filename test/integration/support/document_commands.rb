# frozen_string_literal: true

require "fileutils"
require "open3"

require_relative "environment"

# The pages whose commands are run, what each of them needs, and the commands that other tests run.
module DocumentCommands
  # Pages with the programs and libraries that their commands need beside httpd and Ruby.
  PAGES = {
    "README.md" => %i[build_folder rails express flask],
    "doc/INSTALL.md" => %i[build_folder],
    "doc/UPGRADING.md" => %i[build_folder],
    "doc/MIGRATING.md" => [],
    "doc/MIGRATING-PUMA.md" => %i[puma unicorn],
    "doc/MIGRATING-WSGI.md" => %i[mod_wsgi],
    "doc/RAILS.md" => %i[rails assets capistrano],
    "doc/NODE.md" => %i[npm_packages nvm],
    "doc/PYTHON.md" => %i[venv flask django fastapi],
    "doc/SIZING.md" => []
  }.freeze

  # What make writes there is in the machine's own layer.
  ENTER_BUILD = "cd '#{TestEnvironment::BUILD_DIR}'"

  TAKEOVER = "test/package/takeover"
  BOOT = "test/package/boot"
  PACKAGE = "script/package"
  # CI does not run these: they take a new Debian for each package.
  BY_HAND = [TAKEOVER, BOOT, PACKAGE].freeze
  SETUP = "script/setup"
  ORDERS = "test/integration/command_orders_test.rb"
  DEB = "./libapache2-mod-passenger-ng_0.1.0+deb12_amd64.deb"

  # Commands that this suite does not run, by the file that runs them, and what it has of them.
  ELSEWHERE = {
    # A package and its dependencies are installed in a new Debian.
    "sudo apt-get install #{DEB}" => [TAKEOVER, 'install "$package"'],
    "sudo apt-get install ./libapache2-mod-passenger-ng_0.1.1+deb12_amd64.deb" =>
      [TAKEOVER, 'change_to "$next"'],
    "sudo apt-get install libapache2-mod-passenger" => [TAKEOVER, 'install "$THEIRS"'],
    "curl --silent --include http://127.0.0.1:8081/ | grep X-Powered-By" =>
      [TAKEOVER, "grep -i '^X-Powered-By'"],
    "sudo passenger-status" => [TAKEOVER, "\npassenger-status\n"],
    "sudo passenger-config validate-install" => [TAKEOVER, "passenger-config validate-install"],
    "apachectl configtest" => [TAKEOVER, "apache2ctl configtest"],
    # A package is built in a new Debian.
    "sudo script/package bookworm" => [PACKAGE, "dpkg-buildpackage -us -uc"],
    "sudo apt-get install --no-install-recommends build-essential" =>
      [PACKAGE, "apt-get -y install --no-install-recommends build-essential"],
    "sudo apt-get build-dep ./" => [PACKAGE, "build-dep --no-install-recommends ./"],
    # script/setup has made the build under test by these.
    "./autogen.sh" => [SETUP, '"$SOURCE_DIR/autogen.sh"'],
    "mkdir build-release && cd build-release" => [SETUP, 'mkdir -p "$BUILD_DIR"'],
    "../configure" => [SETUP, '"$SOURCE_DIR/configure"'],
    "dpkg-buildpackage -us -uc" => [PACKAGE, "dpkg-buildpackage -us -uc"],
    "sudo apt-get remove libapache2-mod-passenger-ng" => [TAKEOVER, 'apt-get -y remove "$OURS"'],
    "sudo apt-get purge libapache2-mod-passenger-ng" => [TAKEOVER, 'apt-get -y purge "$OURS"'],
    "sudo apt-get purge libapache2-mod-passenger" => [TAKEOVER, 'apt-get -y purge "$THEIRS"'],
    "sudo a2enmod passenger" => [TAKEOVER, "a2enmod --quiet passenger"],
    "sudo systemctl restart apache2" => [BOOT, "systemctl restart apache2"],
    "a2enmod passenger" => [TAKEOVER, "a2enmod --quiet passenger"],
    "a2dismod passenger" => [TAKEOVER, "a2dismod --quiet passenger"],
    # Commands that the pages mention without all of their words.
    "rails new" => ["doc/RAILS.md", "rails new . --minimal"],
    "touch tmp/restart.txt" => ["test/integration/restart_test.rb", "restart.txt"],
    "passenger-config restart-app" => [ORDERS, '["restart-app", root("blog")]'],
    "sudo passenger-config restart-app --all" => [ORDERS, '["restart-app", "--all"]'],
    "sudo passenger-config explain http://127.0.0.1:8081/" =>
      ["test/integration/explain_test.rb", '"explain"'],
    "passenger-prefork /srv/blog" => ["test/integration/support/prefork_command.rb",
                                      '"passenger-prefork"']
  }.freeze

  # Such a command installs packages of Debian, which script/setup has installed for the tests. It
  # is not run: another program may be installing packages on this machine.
  INSTALLATION = /\Asudo apt-get install ((?!\.)[a-z0-9.+-]+(?: [a-z0-9.+-]+)*)\z/.freeze

  # Without npm, or without a network for it, this program takes Debian's packages. Debian has no
  # socket.io, so the steps of NO_PACKAGES are left out.
  INSTALL_NPM = <<~'SHELL'
    cat >/usr/local/bin/npm <<'NPM'
    #!/usr/bin/env node
    const fs = require("fs");
    const wanted = (folder) => {
        const { dependencies } = JSON.parse(fs.readFileSync(`${folder}/package.json`));
        return Object.keys(dependencies || {});
    };
    const install = (name) => {
        const [from, to] = [`/usr/share/nodejs/${name}`, `node_modules/${name}`];
        if (fs.existsSync(to) || !fs.existsSync(from)) {
            return;
        }
        fs.cpSync(from, to, { recursive: true, dereference: true });
        wanted(to).forEach(install);
    };
    wanted(".").forEach(install);
    fs.writeFileSync("package-lock.json", "{}\n");
    NPM
    chmod 755 /usr/local/bin/npm
  SHELL
  NO_PACKAGES = "/srv/chat"

  NODE_CACHE = File.join(TestEnvironment::WORK_DIR, "npm-cache")

  module_function

  # Whether this suite leaves the command to another one, or to another page.
  def elsewhere?(command)
    ELSEWHERE.key?(command) || INSTALLATION.match?(command)
  end

  # Why the need is not met, or nil.
  def missing(need)
    checks = {
      rails: -> { "ruby-rails and ruby-sqlite3" unless ruby?("rails", "sqlite3") },
      assets: -> { "Rails' asset pipeline" unless gem?("sprockets-rails") },
      express: -> { "node-express" unless node?("express") },
      flask: -> { "python3-flask" unless python?("flask") },
      django: -> { "python3-django" unless python?("django") && found?("django-admin") },
      fastapi: -> { "python3-fastapi and python3-wsproto" unless python?("fastapi, wsproto") },
      venv: -> { "python3-venv" unless python?("ensurepip") },
      puma: -> { "puma" unless found?("puma") },
      unicorn: -> { "unicorn" unless found?("unicorn") },
      capistrano: -> { "capistrano and git" unless found?("cap") && found?("git") },
      mod_wsgi: -> { "libapache2-mod-wsgi-py3" unless module?("wsgi") },
      build_folder: -> {},
      nvm: -> { "nodejs" unless found?("node") },
      npm_packages: -> { "npm or node-express" unless npm_cache? || node?("express") }
    }
    checks.fetch(need).call
  end

  # The steps of the page that can be run here.
  def steps_of(page, needs)
    return page.steps if !needs.include?(:npm_packages) || npm_cache?

    page.steps.take_while { |step| !"#{step.path} #{step.text}".include?(NO_PACKAGES) }
  end

  # Puts into the machine what a reader has got from elsewhere.
  def prepare(need, machine)
    case need
    when :build_folder
      machine.prepare(ENTER_BUILD)
    when :nvm
      # nvm's folders. It fetches its Nodes; here one is the installed one, and an older one is
      # empty.
      node = File.realpath(TestEnvironment.find_command("node"))
      machine.prepare(<<~SHELL)
        bin=/home/alice/.nvm/versions/node/v#{node_version}/bin
        mkdir -p $bin ${bin%/v*}/v9.9.9 && cp #{node} $bin/node && chmod 755 /home/alice
        chown -R alice: /home/alice/.nvm
      SHELL
    when :npm_packages
      return machine.prepare(INSTALL_NPM) unless npm_cache?

      machine.prepare(<<~SHELL)
        cp -R #{NODE_CACHE} /var/cache/npm && chown -R alice: /var/cache/npm
        export npm_config_cache=/var/cache/npm npm_config_offline=true npm_config_audit=false
        export npm_config_update_notifier=false
      SHELL
    end
  end

  def node_version
    Open3.capture2("node", "-p", "process.versions.node").first.strip
  end

  # npm fetches the packages of doc/NODE.md once for each build.
  def npm_cache?
    return false unless found?("npm")

    done = File.join(NODE_CACHE, "done")
    FileUtils.mkdir_p(NODE_CACHE)
    File.open("#{NODE_CACHE}.lock", "w") do |lock|
      lock.flock(File::LOCK_EX)
      File.exist?(done) || (fetch_npm_packages && FileUtils.touch(done))
    end
  end

  def fetch_npm_packages
    %w[shop chat].all? do |name|
      folder = File.join(NODE_CACHE, "fetch-#{name}")
      FileUtils.mkdir_p(folder)
      page = DocumentedPage.new("doc/NODE.md")
      manifest = page.steps.find { |step| step.path == "/srv/#{name}/package.json" }
      File.write(File.join(folder, "package.json"), manifest.text)
      system("timeout", "120", "npm", "install", "--silent", "--no-audit", "--no-fund",
             "--cache", NODE_CACHE, chdir: folder, out: File::NULL, err: File::NULL)
    end
  end

  def found?(program)
    !TestEnvironment.find_command(program).nil?
  end

  def module?(name)
    File.exist?(File.join(TestEnvironment.modules_dir, "mod_#{name}.so"))
  end

  def ruby?(*libraries)
    succeeds?(RbConfig.ruby, *libraries.map { |library| "-r#{library}" }, "-e", "")
  end

  def gem?(name)
    succeeds?(RbConfig.ruby, "-e", "gem '#{name}'")
  end

  def node?(library)
    succeeds?({ "NODE_PATH" => "/usr/share/nodejs" }, "node", "-e", "require('#{library}')")
  end

  def python?(libraries)
    succeeds?("/usr/bin/python3", "-c", "import #{libraries}")
  end

  def succeeds?(*command)
    system(*command, out: File::NULL, err: File::NULL) == true
  end
end
