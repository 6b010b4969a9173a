# frozen_string_literal: true

require "open3"
require "tmpdir"

require_relative "command_runner"

# doc/scale-out/deploy.yml as it stands there, run by Ansible over hosts that are servers of one
# test. Ansible's own connection plugin runs an `ssh` that leads to the commands of the host.
class Playbook
  include CommandRunner

  FILE = File.join(TestEnvironment::SOURCE_DIR, "doc/scale-out/deploy.yml")
  COMMAND = "ansible-playbook"

  def self.installed?
    ENV.fetch("PATH").split(":").any? { |folder| File.executable?(File.join(folder, COMMAND)) }
  end

  # `hosts`: servers by name. `folder`: for its files.
  def initialize(hosts, folder)
    @hosts = hosts
    @folder = Dir.mktmpdir("playbook-", folder)
    FileUtils.cp(FILE, @folder)
    write("ssh", ssh)
    write("hosts", hosts.keys.map { |name| "#{name}\n" }.join)
  end

  # `command`: puts the new version on the host {{ inventory_hostname }}.
  # Returns the output with the errors, and the exit status.
  def run(command)
    write("new-version.yml", "- ansible.builtin.shell: #{command.dump}\n")
    output, status = Open3.capture2e(settings, COMMAND, "--inventory", "#{@folder}/hosts",
                                     "#{@folder}/#{File.basename(FILE)}", chdir: @folder)
    [output, status.exitstatus]
  end

  private

  # Modules come by standard input: nothing is copied to the host.
  def settings
    { "ANSIBLE_SSH_EXECUTABLE" => "#{@folder}/ssh", "ANSIBLE_PIPELINING" => "yes",
      "ANSIBLE_PYTHON_INTERPRETER" => "/usr/bin/python3", "ANSIBLE_NOCOLOR" => "yes",
      "ANSIBLE_REMOTE_TEMP" => "#{@folder}/remote", "ANSIBLE_LOCAL_TEMP" => "#{@folder}/local",
      "ANSIBLE_SSH_ARGS" => "", "ANSIBLE_SSH_CONTROL_PATH_DIR" => "#{@folder}/control",
      "ANSIBLE_HOME" => @folder, "HOME" => @folder, "LC_ALL" => "C.UTF-8" }
  end

  # The last argument is the host's command, the one before it the host.
  def ssh
    <<~SH
      #!/bin/sh
      while [ $# -gt 2 ]; do shift; done
      case $1 in
      #{cases_of(@hosts)}
      *) exit 255 ;;
      esac
      PATH=#{TestEnvironment::BUILD_DIR}:$PATH
      export PATH
      exec /bin/sh -c "$2"
    SH
  end

  def write(name, text)
    file = File.join(@folder, name)
    File.write(file, text)
    File.chmod(0o755, file) if text.start_with?("#!")
  end
end
