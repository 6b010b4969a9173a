# frozen_string_literal: true

require "fileutils"
require "minitest"
require "open3"
require "tmpdir"

require_relative "support/environment"

# The scripts of the RPM package, with a systemctl that only notes its arguments. script/package
# builds the package.
class RpmScriptsTest < Minitest::Test
  SPEC = File.join(TestEnvironment::SOURCE_DIR, "packaging/mod_passenger-ng.spec")
  UNITS = "httpd.service httpd@*.service"

  def setup
    skip "there is no rpmspec" unless TestEnvironment.find_command("rpmspec")
    @folder = Dir.mktmpdir("rpm-")
    @root = File.join(@folder, "lib/mod_passenger")
    %w[python ruby-3.1.0].each { |name| FileUtils.mkdir_p(File.join(@root, "native", name)) }
    File.write(File.join(@folder, "systemctl"), "#!/bin/sh\necho \"$*\"\n", perm: 0o755)
  end

  def teardown
    FileUtils.rm_rf(@folder) if @folder
  end

  def test_an_installation_restarts_httpd_and_an_upgrade_reloads_it
    assert_equal "daemon-reload\ntry-restart httpd.service\n", run_script("POSTIN", 1)
    assert_equal "daemon-reload\ntry-reload-or-restart #{UNITS}\n", run_script("POSTIN", 2)
    assert_equal "", run_script("POSTUN", 1)
  end

  def test_an_upgrade_removes_the_native_code_that_was_built_here
    # What the package has itself stays.
    FileUtils.mkdir_p(File.join(@root, "native/ruby-3.3.0"))
    File.write(File.join(@folder, "rpm"), "#!/bin/sh\nexpr \"$2\" : '.*3[.]3'\n", perm: 0o755)
    run_script("POSTIN", 2)
    assert_equal %w[python ruby-3.3.0], Dir.children(File.join(@root, "native")).sort
  end

  def test_a_removal_leaves_nothing_and_reloads_httpd
    assert_equal "try-reload-or-restart #{UNITS}\n", run_script("POSTUN", 0)
    refute_path_exists @root
  end

  private

  # rpm tells how many versions of the package will be there.
  def run_script(name, count)
    script, status = Open3.capture2("rpmspec", "--query", "--define", "_libdir #{@folder}/lib",
                                    "--queryformat", "%{#{name}}", SPEC)
    assert_predicate status, :success?
    # Here systemd need not run.
    script.gsub!("/run/systemd/system", @folder)
    output, status = Open3.capture2e({ "PATH" => "#{@folder}:#{ENV.fetch('PATH')}" },
                                     "sh", "-euc", script, name, count.to_s)
    assert_predicate status, :success?, output
    output
  end
end
