# frozen_string_literal: true

require "fileutils"
require "minitest"
require "open3"
require "tmpdir"

require_relative "support/environment"

# `make install` and the builder of native code as on a hardened machine, where root has umask 077.
class InstalledFilesTest < Minitest::Test
  ROOT = "usr/local/lib/mod_passenger"

  def setup
    skip "a build with sanitizers is not installed" if TestEnvironment.sanitized?
    @folder = Dir.mktmpdir("installed-", TestEnvironment::WORK_DIR)
    File.chmod(0o755, @folder)
    @stage = File.join(@folder, "stage")
    output, status = make("install", @stage)
    assert_predicate status, :success?, output
  end

  def teardown
    FileUtils.rm_rf(@folder) if @folder
  end

  def test_all_users_can_read_what_an_installation_makes
    refute_empty files
    assert_empty(files.reject { |path| open?(path) })
    builder = File.join(@stage, ROOT, "lib/passenger/native_builder.rb")
    output, = shell("umask 077 && ruby #{builder} #{@stage}/native")
    assert_match(/\ABuilt /, output)
    assert_empty(files.reject { |path| open?(path) })
  end

  def test_validate_install_names_a_folder_that_users_may_not_enter
    skip "needs root: httpd's user is the caller" unless TestEnvironment.root?
    assert_match(/ \* installation: ok: /, validate)
    closed = File.join(@stage, ROOT, "lib/passenger")
    FileUtils.chmod("go=", closed)
    assert_match(/ installation: error: users may not enter #{closed}:.*\n +chmod o\+x #{closed};/,
                 validate)
  end

  def test_uninstall_refuses_a_folder_with_a_blank_and_removes_nothing
    FileUtils.touch("#{@folder}/my")
    output, status = make("uninstall", "#{@folder}/my stage")
    refute_predicate status, :success?
    assert_match(%r{A blank in "#{@folder}/my stage/usr/local": name another folder}, output)
    assert_path_exists "#{@folder}/my"
  end

  # Its interface may be one that the library does not know.
  def test_without_nodes_headers_an_addon_that_is_older_than_its_sources_is_not_installed
    addon = "#{@folder}/addon.node"
    FileUtils.touch(addon)
    make("current-node-native node_native=#{addon}", @stage)
    assert_path_exists addon
    FileUtils.touch(addon, mtime: Time.at(0))
    output, = make("current-node-native node_native=#{addon}", @stage)
    assert_match(/addon\.node is older than its sources.*no headers of Node/, output)
    refute_path_exists addon
  end

  private

  def make(target, stage)
    build = TestEnvironment::BUILD_DIR
    shell("umask 077 && make --silent -C #{build} #{target} prefix=/usr/local 'DESTDIR=#{stage}'")
  end

  def validate
    shell("PASSENGER_ROOT=#{@stage}/#{ROOT} #{@stage}/usr/local/bin/passenger-config " \
          "validate-install --no-validate-apache2").first
  end

  def shell(command)
    Open3.capture2e({ "MAKEFLAGS" => nil, "MAKELEVEL" => nil }, "bash", "-c", command)
  end

  def files
    Dir.glob("#{@stage}/**/*")
  end

  def open?(path)
    mode = File.stat(path).mode
    mode.anybits?(0o004) && (!File.directory?(path) || mode.anybits?(0o001))
  end
end
