# frozen_string_literal: true

require "fileutils"
require "minitest"
require "open3"
require "tmpdir"

require_relative "support/environment"

# script/setup and script/common.sh in a checkout of the test, whose build is a file of a few lines.
# The script does not install packages there.
class ScriptsTest < Minitest::Test
  SCRIPTS = File.join(TestEnvironment::SOURCE_DIR, "script")
  # As Debian's programs do, each of these only writes what the next one needs.
  AUTOGEN = <<~'SHELL'
    #!/bin/sh
    cd "$(dirname "$0")" && cp configure.in configure && touch Makefile.in
  SHELL
  CONFIGURE = <<~'SHELL'
    #!/bin/sh
    ruby -e 'puts File.dirname(RbConfig.ruby), ENV.values_at("RUBYOPT", "GEM_HOME").compact' \
        >ruby || exit
    printf '#!/bin/sh\necho --enable-development\n' >config.status && chmod 755 config.status
    printf 'all: Makefile\n\tmkdir -p root\n' >Makefile
  SHELL

  def setup
    @folder = Dir.mktmpdir("scripts-", TestEnvironment::WORK_DIR)
    File.chmod(0o755, @folder)
    @checkout = File.join(@folder, "checkout")
    @build = File.join(@folder, "build").tap { |folder| Dir.mkdir(folder, 0o755) }
    %w[common.sh setup united.mk].each { |name| write("script/#{name}", script(name)) }
    write("autogen.sh", AUTOGEN)
    write("configure.in", CONFIGURE)
    write("lib/passenger/part.rb", "# a part\n")
    write("test/stub/rails_app/bin/prepare", "#!/bin/sh\nmkdir -p \"$1\"\n")
  end

  def teardown
    FileUtils.rm_rf(@folder)
  end

  # As git makes it for root under umask 077.
  def test_httpds_user_can_read_the_library_of_a_checkout_that_nobody_else_can_read
    skip "needs root: the checkout is another user's" unless TestEnvironment.root?
    system("chmod", "-R", "go=", @checkout)
    set_up
    as_web_user = ["setpriv", "--reuid=#{TestEnvironment::WEB_USER}", "--regid=nogroup",
                   "--clear-groups"]
    text, = Open3.capture2e(*as_web_user, "cat", "#{@build}/root/lib/passenger/part.rb")
    assert_equal "# a part\n", text
  end

  # As rbenv does, and a shell within `bundle exec`.
  def test_debians_ruby_is_asked_whatever_the_callers_is
    skip "this system is not Debian" unless TestEnvironment.find_command("dpkg-query")
    write("shims/ruby", "#!/bin/sh\nexit 1\n")
    set_up(PATH: "#{@checkout}/shims:#{ENV.fetch('PATH')}", RUBYOPT: "-rno_such_file",
           GEM_HOME: @folder)
    assert_equal "/usr/bin\n", File.read(File.join(@build, "ruby"))
  end

  def test_the_checkout_is_found_whatever_cdpath_is
    set_up(CDPATH: ".:#{@folder}")
    assert_path_exists File.join(@build, "root")
  end

  # curl has no exception for 127.0.0.1. Nothing listens on either port.
  def test_requests_to_a_server_of_a_script_pass_no_proxy
    output, = run_bash(". script/common.sh; curl --silent --show-error http://127.0.0.1:2/",
                       http_proxy: "http://127.0.0.1:1", no_proxy: nil, NO_PROXY: "proxy.test")
    assert_match(/127\.0\.0\.1 port 2\b/, output)
  end

  # autoreconf writes configure first, and Makefile.in at its end.
  def test_autogen_that_was_interrupted_runs_again
    write("configure", "#!/bin/sh\nexit 1\n")
    set_up
    assert_path_exists File.join(@checkout, "Makefile.in")
  end

  def test_a_build_folder_of_another_user_is_named_with_the_remedy
    skip "needs root: the folder is another user's" unless TestEnvironment.root?
    TestEnvironment.hand_over(@checkout)
    output, status = run_bash("setpriv --reuid=www-data --regid=www-data --clear-groups " \
                              "script/setup")
    refute_predicate status, :success?
    assert_match(/#{@build} belongs to root.*chown -R www-data: #{@build}/m, output)
  end

  private

  def script(name)
    File.read(File.join(SCRIPTS, name)).sub(/^install_packages$/, "")
  end

  def write(name, text)
    path = File.join(@checkout, name)
    FileUtils.mkdir_p(File.dirname(path))
    File.write(path, text, perm: 0o755)
  end

  # Runs script/setup, and returns what it printed.
  def set_up(succeeds: true, **environment)
    output, status = run_bash("script/setup", **environment)
    assert_equal succeeds, status.success?, output
    output
  end

  # As a document has the command, in the checkout's folder.
  def run_bash(command, **environment)
    Open3.capture2e({ "BUILD_DIR" => @build, "MAKEFLAGS" => nil, "MAKELEVEL" => nil,
                        "UNITE_SOURCES" => nil }
                      .merge(environment.transform_keys(&:to_s)),
                    "bash", "-c", command, chdir: @checkout)
  end
end
