# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/made_users"

# What each process may do, as the table of doc/SECURITY.md says and /proc shows.
class ProcessRightsTest < IntegrationTest
  DOCUMENT = File.expand_path("../../doc/SECURITY.md", __dir__)
  # The rows of the table, and how their processes are found.
  PATTERNS = {
    "httpd's parent" => nil, "httpd's children" => nil,
    "anchor" => /passenger-agent\S* anchor\z/,
    "watchdog" => /passenger-agent\S* watchdog\z/,
    "rights process" => /passenger-agent\S* rights\z/,
    "pool process" => /passenger-agent\S* pool \d+ \d+ on\z/,
    "spawn servers" => /\APassenger spawn server/, "preloaders" => /\APassenger AppPreloader/,
    "instances" => /\APassenger RubyApp/,
    "bridges" => /\APassenger bridge: /, "keepers" => /\APassenger keeper: /,
    "commands of applications" => /server\.rb\z/,
    "helper of PassengerPreStart" => /\APassenger pre-start/
  }.freeze

  # linux/capability.h
  CAPABILITIES = { 0 => "CHOWN", 1 => "DAC_OVERRIDE", 5 => "KILL", 6 => "SETGID", 7 => "SETUID",
                   12 => "NET_ADMIN", 19 => "SYS_PTRACE", 24 => "SYS_RESOURCE" }.freeze

  # The numbers for processes without an account.
  AGENT_USERS = (61_184..65_519).freeze

  if TestEnvironment.root?
    # The helper waits for an answer that never comes.
    SILENT = TCPServer.new("127.0.0.1", 0)

    serve do |made|
      made.main_directives = "PassengerPreStart http://127.0.0.1:#{SILENT.addr[1]}/\n"
      user = MadeUsers["a"].name
      made.set("PassengerDefaultUser", user)
      made.site("rack.test", TestEnvironment.hand_over(SampleApps.rack, user))
      made.site("http.test", TestEnvironment.hand_over(SampleApps.copy("http_app"), user),
                "PassengerAppStartCommand \"exec #{RbConfig.ruby} server.rb\"\n")
    end
  end

  def setup
    skip "needs root" unless TestEnvironment.root?
    %w[rack.test http.test].each { |site| assert_status 200, client(site).get("/") }
    eventually("the helper") { processes("helper of PassengerPreStart").any? }
  end

  def test_each_process_has_the_rights_of_the_table
    assert_equal PATTERNS.keys, table.keys
    table.each do |name, rights|
      found = processes(name)
      refute_empty found, name
      found.each do |process|
        assert_equal possible(rights), rights_of(process), "#{name}: #{process}"
      end
      assert_equal [bounding_set(server.pid)], found.map { |one| bounding_set(one.pid) }.uniq, name
    end
  end

  private

  # Maps a process to its cells: user, groups, capabilities, no_new_privs, seccomp.
  def table
    @table ||= File.read(DOCUMENT)[/^\| process \|.*?\n\n/m].lines.grep(/^\|/).drop(2).map do |line|
      # Here PassengerDefaultUser is the application's user, too.
      line.sub("PassengerDefaultUser", "the application's")
          .split("|").map(&:strip).reject(&:empty?)
    end.to_h { |name, *cells| [name, cells] }
  end

  def processes(name)
    case name
    when "httpd's parent" then [ProcessInfo.read(server.pid)]
    when "httpd's children" then server.tree.httpd_children
    else server.tree.matching(PATTERNS.fetch(name))
    end
  end

  def rights_of(process)
    status = File.read("/proc/#{process.pid}/status").scan(/^(\w+):\t(.*)$/).to_h
    ids = status.values_at("Uid", "Gid").map { |text| text.split.map(&:to_i).uniq }
    [user_of(*ids), groups_of(status["Groups"].split.map(&:to_i), ids.last),
     capabilities_of(status), status["NoNewPrivs"] == "1" ? "yes" : "no",
     status["Seccomp"] == "0" ? "none" : "filter"]
  end

  # Without the capabilities that httpd was started without, as in a container.
  def possible(rights)
    parents = File.read("/proc/#{server.pid}/status")[/^CapEff:\t(.*)$/, 1].to_i(16)
    lacking = CAPABILITIES.reject { |bit, _| parents[bit] == 1 }.values
    user, groups, capabilities, *rest = rights
    [user, groups, (capabilities.split(", ") - lacking).join(", "), *rest]
  end

  # `users`, `groups`: real, effective, saved and file-system ids, each once.
  def user_of(users, groups)
    return "several" unless users.one? && groups.one?

    { 0 => "root", Etc.getpwnam(TestEnvironment::WEB_USER).uid => "httpd's",
      MadeUsers["a"].uid => "the application's" }.fetch(users.first) do |uid|
      AGENT_USERS.cover?(uid) && groups == users ? "the agent's" : uid.to_s
    end
  end

  def groups_of(groups, own)
    parents = File.read("/proc/#{server.pid}/status")[/^Groups:\t(.*)$/, 1].split.map(&:to_i)
    return groups == parents ? "root's" : groups.inspect if own == [0]

    return "none" if groups.empty?

    (groups - own).empty? && groups.any? ? "the user's" : groups.inspect
  end

  def bounding_set(pid)
    File.read("/proc/#{pid}/status")[/^CapBnd:\t(.*)$/, 1]
  end

  def capabilities_of(status)
    effective = status["CapEff"]
    parents = File.read("/proc/#{server.pid}/status")[/^CapEff:\t(.*)$/, 1]
    return "none" if status.values_at("CapEff", "CapPrm", "CapInh", "CapAmb").all?(/\A0+\z/)

    return "all" if effective == parents
    return effective unless status["CapPrm"] == effective && status["CapInh"].hex.zero?

    bits = effective.to_i(16)
    (0...bits.bit_length).select { |bit| bits[bit] == 1 }
                         .map { |bit| CAPABILITIES.fetch(bit, bit) }.join(", ")
  end
end
