# frozen_string_literal: true

require "open3"
require "tmpdir"

require_relative "command_runner"

# doc/scale-out/deploy as it stands there, over hosts that are servers of one test. `ssh` leads to
# the commands of the host, and `new-version` is the test's.
class Deployment
  include CommandRunner

  SCRIPT = File.join(TestEnvironment::SOURCE_DIR, "doc/scale-out/deploy")

  # `hosts`: servers by name. `folder`: for its commands.
  def initialize(hosts, folder)
    @hosts = hosts
    @folder = Dir.mktmpdir("deployment-", folder)
    command_of_the_hosts
  end

  # `new_version`: what the command does, as text of a shell script with the host's name in $1.
  # Returns the output with the errors, and the exit status.
  def run(new_version, names = @hosts.keys)
    write("new-version", new_version)
    path = [@folder, TestEnvironment::BUILD_DIR, ENV.fetch("PATH")].join(":")
    output, status = Open3.capture2e({ "PATH" => path }, SCRIPT, *names)
    [output, status.exitstatus]
  end

  private

  def command_of_the_hosts
    write("ssh", "case ${1#root@} in\n#{cases_of(@hosts)}\n*) exit 255 ;;\nesac\n" \
                 "shift\nexec \"$@\"\n")
  end

  def write(name, text)
    file = File.join(@folder, name)
    File.write(file, "#!/bin/sh\n#{text}")
    File.chmod(0o755, file)
  end
end
