# frozen_string_literal: true

require_relative "made_users"
require_relative "torture/hostile_child"

# For tests in which an httpd child asks the agent for applications that the configuration does not
# have. The user "a" owns the victim's applications, "b" the attacker's. Needs root.
module TakenOverChild
  # Leaves a file that names the user in the folder of that name.
  TELL = 'File.write(File.join("%<place>s", "#{Process.uid}-#{Process.gid}-%<what>s"), "")'

  # As far as httpd's parent knows, .htaccess files may have any folder and environment.
  def self.hide_folders(made)
    made.main_directives << "<Directory /never>\nAllowOverrideList PassengerAppEnv\n</Directory>\n"
  end

  private

  def child_of(server)
    children = server.tree.httpd_children
    eventually("a child with a way to the agent") do
      HostileChild.new(children.first, ProcessInfo.read(server.pid), children.drop(1),
                       Random.new(1)) { [] }
    rescue IOError
      children.rotate!
      nil
    end
  end

  def victim
    MadeUsers["a"]
  end

  def attacker
    MadeUsers["b"]
  end

  def root(site)
    server.configuration.sites.find { |one| one.name == "#{site}.test" }.root
  end

  # An application of the attacker that leaves a trace when it is loaded.
  def evil(what)
    folder = SampleApps.written("#{format(TELL, place: traces_folder, what: what)}\n" \
                                "#{SampleApps.saying(what)}")
    TestEnvironment.hand_over(folder, attacker.name)
  end

  def ask(folder, options, child = @child)
    options = { "app_root" => folder, "environment" => "production", "ruby" => RbConfig.ruby,
                "startup_file" => "config.ru", "min_instances" => "1" }.merge(options)
    child.ask_for({ "app_group_name" => name_of(options) }.merge(options))
  end

  # As httpd's module makes it.
  def name_of(options)
    user, group = options.values_at("user", "group")
    name = "#{options["app_root"]} (#{options["environment"]})"
    name << " as #{user}#{group && ":#{group}"}" if user || group
    name
  end

  def traces_folder
    @traces_folder ||= scratch.tap { |folder| File.chmod(0o1777, folder) }
  end

  def traces
    Dir.children(traces_folder)
  end

  def assert_refused(reason, options, folder = nil)
    position = server.log.position
    logged = Regexp.escape(%(="httpd's configuration has #{reason.gsub('"', '\\"')}))
    # The agent logs ten refusals in ten seconds, and other tests may have had them.
    eventually("the refusal", every: 1) do
      ask(folder || evil("refused"), options)
      traces.any? || server.log.text(position).match?(/(attach.refused|spawn.failed) .*#{logged}/)
    end
    assert_empty traces
  end
end
