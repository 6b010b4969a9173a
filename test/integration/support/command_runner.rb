# frozen_string_literal: true

require "json"
require "open3"

require_relative "environment"

# Runs the commands of the build against the test's server.
module CommandRunner
  STATUS = "passenger-status"
  CONFIG = "passenger-config"

  private

  def program(name)
    File.join(TestEnvironment::BUILD_DIR, name)
  end

  def commanded
    @own_server || server
  end

  def environment(server = commanded)
    { "PASSENGER_INSTANCE_REGISTRY_DIR" => File.join(server.folder, "run"),
      "PASSENGER_ROOT" => TestEnvironment::PASSENGER_ROOT }
  end

  # Cases of a shell script by a host's name: they lead the host's commands to its server.
  def cases_of(hosts)
    hosts.map do |name, server|
      variables = environment(server).map { |variable, value| "export #{variable}='#{value}'" }
      "#{name}) #{variables.join(' ')} ;;"
    end.join("\n")
  end

  # Returns stdout, stderr and the exit status. `as`: a user's name.
  def command(name, *arguments, as: nil)
    switch = as ? ["setpriv", "--reuid=#{as}", "--regid=nogroup", "--clear-groups"] : []
    output, errors, status = Open3.capture3(environment, *switch, program(name), *arguments)
    [output, errors, status.exitstatus]
  end

  # Returns stdout.
  def succeed(name, *arguments, as: nil)
    output, errors, status = command(name, *arguments, as: as)
    assert_equal 0, status, "#{name} #{arguments.join(' ')}: #{errors}#{output}"
    output
  end

  def assert_fails(expected, pattern, name, *arguments, as: nil)
    output, errors, status = command(name, *arguments, as: as)
    assert_equal expected, status, "#{name} #{arguments.join(' ')}: #{errors}#{output}"
    assert_match pattern, errors
  end

  def apps(as: nil)
    JSON.parse(succeed(STATUS, "--show=json", as: as))["apps"]
  end

  # How many instances are being started.
  def starting
    apps.sum { |one| one.fetch("starting") }
  end

  def root(name)
    commanded.configuration.sites.find { |site| site.name == "#{name}.test" }.root
  end

  # What the agent tells about the application of a site.
  def app(name)
    apps.find { |one| one["root"] == root(name) }
  end

  # Returns when the next pool process answers.
  def kill_pool_process
    pool = commanded.tree.matching(/passenger-agent pool/).first.pid
    Process.kill(:KILL, pool)
    eventually("the next pool process") do
      found = JSON.parse(succeed(CONFIG, "list-instances", "--json")).first
      found && found["core_pid"] != pool
    end
  end

  # The pid of the application's only instance.
  def pid(name)
    app(name)["instances"].first["pid"]
  end
end
