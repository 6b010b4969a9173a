# frozen_string_literal: true

require "fiddle"
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

  APPLICATIONS = "the application's"

  # linux/capability.h
  CAPABILITIES = { 0 => "CHOWN", 1 => "DAC_OVERRIDE", 5 => "KILL", 6 => "SETGID", 7 => "SETUID",
                   12 => "NET_ADMIN", 19 => "SYS_PTRACE", 23 => "SYS_NICE",
                   24 => "SYS_RESOURCE" }.freeze

  # landlock_create_ruleset has this number on all architectures. With the flag it tells a version.
  SYSCALL = Fiddle::Function.new(Fiddle.dlopen(nil)["syscall"], [Fiddle::TYPE_LONG] * 4,
                                 Fiddle::TYPE_LONG)
  LANDLOCK_CREATE_RULESET = 444
  LANDLOCK_VERSION = 1

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

  def test_no_process_has_descriptors_beyond_its_table
    assert_equal PATTERNS.keys, descriptors.keys
    descriptors.each do |name, (dumpable, kinds)|
      processes(name).each do |process|
        assert_equal dumpable, dumpable_of(process.pid), "#{name}: #{process}"
        assert_empty kinds_of(process.pid) - kinds.split(", "), "#{name}: #{process}"
      end
    end
  end

  def test_landlock_limits_the_pool_process_where_the_kernel_has_it
    skip "a build with sanitizers limits nothing" if TestEnvironment.sanitized?
    version = SYSCALL.call(LANDLOCK_CREATE_RULESET, 0, 0, LANDLOCK_VERSION)
    line = server.log.wait_for(/event=pool\.starting /)
    assert_includes line, " landlock=#{version.positive? ? version : "none"}"
  end

  private

  # Maps a process to its cells: user, groups, capabilities, no_new_privs, seccomp.
  def table
    # Here PassengerDefaultUser is the application's user, too.
    rows(/^\| process \| user .*?\n\n/m)
      .transform_values { |user, *rest| [user.sub("PassengerDefaultUser", APPLICATIONS), *rest] }
  end

  # Maps a process to its cells: dumpable, kinds of descriptors.
  def descriptors
    rows(/^\| process \| dumpable .*?\n\n/m)
  end

  def rows(table)
    File.read(DOCUMENT)[table].lines.grep(/^\|/).drop(2).to_h do |line|
      name, *cells = line.split("|").map(&:strip).reject(&:empty?)
      [name, cells]
    end
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

  # The kernel gives the files of a process that is not dumpable to root (proc(5)). Of root's own
  # processes nobody sees it.
  def dumpable_of(pid)
    return "root's" if File.read("/proc/#{pid}/status")[/^Uid:\t(\d+)/, 1] == "0"

    File.stat("/proc/#{pid}/environ").uid.zero? ? "no" : "yes"
  end

  # The kinds of the open descriptors.
  def kinds_of(pid)
    Dir.children("/proc/#{pid}/fd").filter_map do |number|
      kind_of(File.readlink("/proc/#{pid}/fd/#{number}"))
    rescue Errno::ENOENT
      nil # closed meanwhile
    end.uniq.sort
  end

  def kind_of(target)
    case target
    when /\A(socket|pipe):/ then "#{$1}s"
    when /\Aanon_inode:\[?([a-z_]+)/ then $1
    when %r{\A/memfd:} then "shared memory"
    when /\Apidfd:/ then "pidfd"
    when "/dev/null" then nil
    when %r{\A/sys/fs/cgroup/} then "control groups"
    when %r{\A#{server.folder}/logs/} then "logs"
    when %r{/passenger\.\w+/pid\z} then "pid file"
    when %r{/passenger\.\w+\z} then "folder of the agent"
    else target
    end
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
