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
  def test_native_code_of_the_version_before_does_not_stay
    names = %w[node/passenger_native.node python/passenger_native.abi3.so
               ruby-9.0/passenger_native.so]
    old = names.map { |name| File.join(@stage, ROOT, "native", name) }
    old.each { |path| FileUtils.mkdir_p(File.dirname(path)) }
    old.each { |path| File.write(path, "old") }
    output, status = make("install", @stage)
    assert_predicate status, :success?, output
    assert_empty(old.select { |path| File.exist?(path) && File.read(path) == "old" })
  end

  def test_native_code_that_cannot_be_built_again_is_removed
    builder = File.join(@stage, ROOT, "lib/passenger/native_builder.rb")
    made = shell("ruby #{builder} #{@folder}/native").first[/\ABuilt (.*)/, 1]
    assert_equal "", shell("CC=/missing ruby #{builder} #{@folder}/native").first
    File.write(made, "old")
    assert_match(/\AWithout native code.* \/missing is missing/,
                 shell("CC=/missing ruby #{builder} #{@folder}/native").first)
    refute_path_exists made
  end

  def test_validate_install_names_an_addon_of_another_version
    skip "there is no node" unless system("node --version >/dev/null 2>&1")
    addon = File.join(@stage, ROOT, "native/node/passenger_native.node")
    skip "there is no addon" unless File.exist?(addon)
    assert_match(/ \* native code for Node: ok: #{addon}$/, validate)
    library = File.join(@stage, ROOT, "lib/passenger/node/native.js")
    File.write(library, File.read(library).sub(/INTERFACE = \d+/, "INTERFACE = 9999"))
    assert_match(/ native code for Node: warning: .*has the interface \d+ instead of 9999/,
                 validate)
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
