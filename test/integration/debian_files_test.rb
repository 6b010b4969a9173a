# frozen_string_literal: true

require "minitest"

require_relative "support/disposable_machine"

# The files of Debian's package that only a system with systemd or AppArmor reads, by the tools that
# check them, and its scripts. script/package builds and installs the package itself.
class DebianFilesTest < Minitest::Test
  FOLDER = File.join(TestEnvironment::SOURCE_DIR, "debian")
  PACKAGE = "libapache2-mod-passenger-ng"
  SERVICE = %w[/lib /usr/lib].map { |folder| "#{folder}/systemd/system/apache2.service" }
    .find { |file| File.exist?(file) }
  CALLS = "/run/calls"
  ROOT = "/usr/lib/any/mod_passenger"

  # In place of systemd, and of httpd's reloads and restarts.
  SYSTEMCTL = "#!/bin/sh\necho \"systemctl $*\" >>#{CALLS}\n"
  HELPER = "apache2_invoke() { echo \"httpd $3\" >>#{CALLS}; }\n"

  def setup
    @folder = Dir.mktmpdir("debian-")
  end

  def teardown
    FileUtils.rm_rf(@folder)
  end

  def test_systemd_knows_each_line_for_the_service
    skip "there is no systemd-analyze" unless TestEnvironment.find_command("systemd-analyze")
    skip "there is no apache2.service" unless SERVICE
    lines = File.read(File.join(FOLDER, "apache2.service.conf"))
    assert_equal "", complaints_of_systemd(lines)
    assert_match(/'NoSuchLine'/, complaints_of_systemd("#{lines}NoSuchLine=yes\n"))
  end

  def test_apparmor_lets_the_agent_use_its_capabilities
    table = File.read(File.join(TestEnvironment::SOURCE_DIR, "doc/SECURITY.md"))
    used = table[/^\| rights process \| root \| root's \| ([A-Z_, ]+) \|/, 1].downcase.split(", ")
    allowed = File.read(File.join(FOLDER, "apparmor/passenger-agent")).scan(/^  capability (\w+),$/)
    assert_empty used - allowed.flatten
  end

  def test_apparmor_compiles_the_profile_of_the_agent
    parser = TestEnvironment.find_command("apparmor_parser")
    skip "there is no apparmor_parser" unless parser
    text = File.read(File.join(FOLDER, "apparmor/passenger-agent"))
      .sub("@ROOT@", "/usr/lib/mod_passenger")
    profile = File.join(@folder, "profile")
    File.write(profile, text)
    output, status = Open3.capture2e(parser, "--skip-kernel-load", "--skip-cache", profile)
    assert status.success?, output
    names, = Open3.capture2(parser, "--names", profile, err: File::NULL)
    assert_equal "passenger-agent\n", names
  end

  def test_zsh_looks_where_the_package_has_its_completions
    programs = %w[zsh dpkg].map { |name| TestEnvironment.find_command(name) }
    skip "there is no zsh of Debian" unless programs.all?
    folder = File.read(File.join(FOLDER, "rules"))[/zshcompletiondir=(\S+)/, 1]
    folders, = Open3.capture2("zsh", "-fc", "print -l $fpath")
    assert_includes folders.lines(chomp: true), folder
  end

  # build/ may have gigabytes, and the secret of script/server.
  def test_a_source_package_of_a_used_checkout_has_no_builds
    skip "there is no dpkg-source" unless TestEnvironment.find_command("dpkg-source")
    tree = File.join(@folder, "tree")
    FileUtils.mkdir_p(tree)
    FileUtils.cp_r(FOLDER, tree)
    kept = %w[build-aux/install-sh lib/part.rb]
    left = %w[build/server/secret build-release/x build-asan/x autom4te.cache/x lib/__pycache__/x
              .git/HEAD]
    (kept + left).each do |name|
      FileUtils.mkdir_p(File.dirname(File.join(tree, name)))
      FileUtils.touch(File.join(tree, name))
    end
    output, status = Open3.capture2e("dpkg-source", "--build", "tree", chdir: @folder)
    assert_predicate status, :success?, output
    names, = Open3.capture2("tar", "-tf", Dir["#{@folder}/*.tar.xz"].first)
    assert_equal kept, (kept + left).select { |name| names.include?(name) }
  end

  # Before httpd's restart, which is what the lines hold from. Second instances have no helper, and
  # have the module only before an upgrade.
  def test_an_installation_and_a_removal_have_systemd_read_the_lines_for_the_service
    with_systemd = "mkdir -p /run/systemd/system"
    first = ["systemctl daemon-reload", "httpd reload"]
    again = ["systemctl try-reload-or-restart apache2@*.service"]
    assert_equal first + ["systemctl daemon-reload"], calls_of_scripts(with_systemd, "")
    assert_equal first + again + ["systemctl daemon-reload"],
                 calls_of_scripts(with_systemd, "0.0.9")
    assert_equal ["httpd reload"], calls_of_scripts("true", "0.0.9")
  end

  # httpd has the C library of the earlier release, and could not load the module.
  def test_a_package_of_the_next_debian_restarts_httpd
    query = "printf '#!/bin/sh\\necho 0.1.0+deb13\\n' >/usr/local/sbin/dpkg-query; " \
            "chmod 755 /usr/local/sbin/dpkg-query; mkdir -p /run/systemd/system"
    calls = { "12" => ["httpd restart", "systemctl try-restart apache2@*.service"],
              "13" => ["httpd reload", "systemctl try-reload-or-restart apache2@*.service"] }
    calls.each do |release, made|
      assert_equal made, calls_of_scripts(query, "0.0.9+deb#{release}")[1, 2]
    end
  end

  # dpkg-reconfigure, and a second `dpkg --configure`, have the version that is there already.
  def test_native_code_that_was_built_here_is_removed_by_another_version_only
    kept, removed = ["0.1.0", "0.0.9"].map do |former|
      run_script("configure '#{former}'", "mkdir -p #{ROOT}/native/ruby-9 && touch " \
                                          "#{ROOT}/passenger-agent", "ls #{ROOT}/native")
    end
    assert_equal ["ruby-9\n", ""], [kept, removed].map { |results| results.last.output }
    assert_match(/Removed the native code for ruby-9/, removed[-2].output)
  end

  # Debian's helper reloads nothing where the configuration has an error, and does not fail.
  def test_the_package_says_that_httpd_was_not_reloaded
    old = "cd /root && cp /bin/sleep mod_passenger.so && mkdir -p /run/apache2 && " \
          "{ ./mod_passenger.so 600 >/dev/null 2>&1 & } && echo $! >/run/apache2/apache2.pid && " \
          "sleep 1 && rm mod_passenger.so"
    warning = /^httpd still has the module of before/
    assert_match warning, run_script("configure 0.0.9", old, "true")[-2].output
    refute_match warning, run_script("configure 0.0.9", old, "true", reloads: true)[-2].output
  end

  private

  # The results of the preparation, of postinst and of what comes then.
  def run_script(words, prepare, look, reloads: false)
    skip DisposableMachine.obstacle if DisposableMachine.obstacle
    machine = DisposableMachine.new
    machine.file("/root/postinst", script("postinst"))
    machine.file("/usr/local/sbin/dpkg-query",
                 "#!/bin/sh\n[ \"$1\" = --show ] && echo 0.1.0\n")
    action = reloads ? "kill $(cat /run/apache2/apache2.pid)" : ":"
    machine.file("/usr/share/apache2/apache2-maintscript-helper",
                 "apache2_invoke() { #{action}; }\n")
    ["rm -f /usr/sbin/policy-rc.d; chmod 755 /usr/local/sbin/dpkg-query && #{prepare}",
     "sh -eu /root/postinst #{words} 2>&1", look].each { |command| machine.command(command) }
    results, text = machine.run
    assert_equal [0] * 3, results.map(&:status), text
    results
  end

  # What systemd says of this file. It checks units that the service needs, too.
  def complaints_of_systemd(lines)
    FileUtils.mkdir_p(File.join(@folder, "apache2.service.d"))
    FileUtils.cp(SERVICE, @folder)
    file = File.join(@folder, "apache2.service.d/passenger.conf")
    File.write(file, lines)
    text, = Open3.capture2e({ "SYSTEMD_LOG_TARGET" => "console" }, "systemd-analyze", "verify",
                            File.join(@folder, "apache2.service"))
    text.lines.grep(/#{Regexp.escape(file)}/).join
  end

  # Runs the scripts in a machine of its own. `former`: the installed version.
  def calls_of_scripts(prepared, former)
    skip DisposableMachine.obstacle if DisposableMachine.obstacle
    machine = DisposableMachine.new
    %w[postinst postrm].each { |name| machine.file("/root/#{name}", script(name)) }
    machine.file("/usr/local/sbin/systemctl", SYSTEMCTL)
    machine.file("/usr/share/apache2/apache2-maintscript-helper", HELPER)
    ["rm -f /usr/sbin/policy-rc.d; chmod 755 /usr/local/sbin/systemctl && touch #{CALLS} && " \
     "#{prepared}",
     "sh -eu /root/postinst configure '#{former}'", "sh -eu /root/postrm remove", "cat #{CALLS}"]
      .each { |command| machine.command(command) }
    results, text = machine.run
    assert_equal [0] * 4, results.map(&:status), text
    results.last.output.lines(chomp: true)
  end

  def script(name)
    File.read(File.join(FOLDER, "#{PACKAGE}.#{name}"))
  end
end
