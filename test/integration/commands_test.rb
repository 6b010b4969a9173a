# frozen_string_literal: true

require "json"
require "open3"
require "pty"
require "rexml/document"

require_relative "support/command_runner"
require_relative "support/integration_test"

# passenger-status, passenger-memory-stats and passenger-config with a real agent.
class CommandsTest < IntegrationTest
  include CommandRunner

  # As check_passenger and the like find an instance in the text.
  SCRIPTS_PATTERN = /^  \* PID: (\d+)\s+Sessions: (\d+)\s+Processed: (\d+)\s+Uptime: (.+)
    CPU: (\d+)%\s+Memory\s*: (\d+)M\s/
  # The elements that passenger_exporter, munin-passenger and telegraf read; those that say when are
  # in microseconds since 1970.
  OF_INFO = %w[passenger_version group_count process_count max capacity_used get_wait_list_size]
    .freeze
  OF_SUPERGROUP = %w[name state get_wait_list_size capacity_used].freeze
  OF_GROUP = %w[name component_name app_root app_type environment enabled_process_count
                disabling_process_count disabled_process_count capacity_used get_wait_list_size
                disable_wait_list_size processes_being_spawned life_status].freeze
  OF_PROCESS = %w[concurrency sessions busyness processed uptime life_status enabled has_metrics cpu
                  rss pss private_dirty swap real_memory vmsize process_group_id command
                  last_used_desc].freeze
  MOMENTS = %w[spawner_creation_time spawn_start_time spawn_end_time last_used].freeze

  serve do |made|
    %w[blog shop].each do |name|
      made.site("#{name}.test", SampleApps.written(SampleApps.saying("version 1")))
    end
  end

  def setup
    %w[blog shop].each { |name| assert_status 200, client("#{name}.test").get("/") }
  end

  def test_the_pool_is_shown_in_the_form_that_scripts_read
    text = succeed(STATUS)
    assert_match(/\AVersion : \d\S*\nDate    : .+\nInstance: \w{6} /, text)
    assert_includes text, " (httpd #{server.pid})\n\n"
    assert_match(/^App groups    : 2\nProcesses     : 2$/, text)
    %w[blog shop].each do |name|
      assert_match(/^#{Regexp.escape(app(name)['name'])}:\n  App root: #{root(name)}\n/, text)
      assert_match(/^  \* PID: #{pid(name)} +Sessions: \d +Processed: \d+ +Uptime: \d+/, text)
    end
    refute_includes text, "\e", "no colours without a terminal"
    assert_equal 2, text.scan(SCRIPTS_PATTERN).size
    assert_includes succeed(STATUS, "--force-colors"), "\e[44m"
    assert succeed(STATUS, "--no-header").start_with?("----------- General")
  end

  def test_the_xml_has_what_plugins_read
    eventually("the memory") { succeed(STATUS, "--show=xml").scan("<rss>").size == 2 }
    document = REXML::Document.new(succeed(STATUS, "--show=xml"))
    assert_equal %w[2 2], texts(document, "info/group_count", "info/process_count")
    processes = REXML::XPath.match(document, "info/supergroups/supergroup/group/processes/process")
    shown = processes.map { |process| process.elements["pid"].text.to_i }
    assert_equal [pid("blog"), pid("shop")].sort, shown.sort
    of_user = TestEnvironment.root? ? %w[user uid] : []
    { "info" => OF_INFO, "info/supergroups/supergroup" => OF_SUPERGROUP,
      "info/supergroups/supergroup/group" => OF_GROUP + of_user }.each do |path, names|
      names.each { |name| refute_nil REXML::XPath.first(document, "#{path}/#{name}").text, name }
    end
    processes.each { |process| check_process(process) }
  end

  def check_process(process)
    OF_PROCESS.each { |name| refute_nil process.elements[name]&.text, name }
    %w[processed uptime real_memory private_dirty rss].each do |name|
      assert_match(/\A\d/, process.elements[name].text, name)
    end
    MOMENTS.each do |name|
      assert_in_delta Time.now.to_f, Integer(process.elements[name].text) / 1e6, 600, name
    end
  end

  def test_the_requests_in_work_and_those_that_wait_are_told
    text = succeed(STATUS, "--show=requests")
    assert_includes text, "#{app('blog')['name']}:\n  In work: 0\n  Waiting: 0"
  end

  def test_backtraces_tell_where_the_threads_are
    text = succeed(STATUS, "--show=backtraces")
    %w[blog shop].each do |name|
      assert_includes text, "#{app(name)['name']}:\n  * PID: #{pid(name)}\n      Thread "
    end
    # Some Rubies have a method written in Ruby above the loader's line.
    assert_match(/^ +Thread main of process \d+:\n(?: +<internal:.*\n)*.*handler_threads\.rb:\d+/,
                 text)
  end

  def test_the_server_is_told_without_its_applications
    server_json = JSON.parse(succeed(STATUS, "--show=server"))
    assert_equal server.pid, server_json["httpd_pid"]
    refute server_json.key?("apps")
  end

  def test_a_watching_status_draws_on_the_second_screen_and_leaves_it
    PTY.spawn(environment, program(STATUS), "--watch=0.1", "--sort=memory") do |out, _, pid|
      shown = +""
      eventually("two pictures") do
        piece = out.read_nonblock(4096, exception: false)
        shown << piece if piece.is_a?(String)
        shown.scan("\e[H").size > 1
      end
      Process.kill(:INT, pid)
      begin
        loop { shown << out.readpartial(4096) }
      rescue EOFError, Errno::EIO
        assert shown.start_with?("\e[?1049h"), shown
        assert shown.end_with?("\e[?1049l"), shown
        assert_includes shown, "APPLICATION"
      end
    end
  end

  def test_a_watching_status_waits_for_weeks_if_it_is_told_to
    # As an int, these are 704 milliseconds.
    PTY.spawn(environment, program(STATUS), "--watch=4294968") do |out, _, pid|
      shown = out.readpartial(4096)
      sleep 2
      Process.kill(:INT, pid)
      begin
        loop { shown << out.readpartial(4096) }
      rescue EOFError, Errno::EIO
        assert_equal 1, shown.scan("\e[H").size, shown
      end
    end
  end

  def test_agents_are_listed
    agents = JSON.parse(succeed(CONFIG, "list-instances", "--json"))
    assert_equal [server.pid], agents.map { |agent| agent["httpd_pid"] }
    # As scripts for Phusion Passenger read it.
    assert_equal agents.first.values_at("pid", "pool_pid", "folder"),
                 [*agents.first.values_at("watchdog_pid", "core_pid"),
                  agents.first["instance_dir"]["path"]]
    text = succeed(CONFIG, "list-instances")
    assert_match(/^#{agents.first['name']} +#{agents.first['pid']} /, text)
    assert_includes succeed(STATUS, agents.first["name"][0, 3]), "App groups"
    assert_fails 1, /no agent has a name that begins with -*none/, STATUS, "none"
  end

  def test_without_an_agent_the_folder_and_the_remedy_are_told
    assert_fails 1, %r{as far as /var/empty shows.* --registry-dir}m,
                 STATUS, "--registry-dir=/var/empty"
    assert_equal "[]\n", succeed(CONFIG, "list-instances", "--json",
                                 "--registry-dir=/var/empty")
    assert_fails 1, /no agent/, CONFIG, "reopen-logs", "--registry-dir=/var/empty"
    [%w[restart-app --all], %w[reopen-logs]].each do |words|
      output, errors, status = command(CONFIG, *words, "--registry-dir=/var/empty",
                                       "--ignore-passenger-not-running")
      assert_equal ["", 0], [output, status]
      assert_match(%r{\Apassenger-config: no agent .* as far as /var/empty shows.* --registry-dir},
                   errors)
    end
  end

  def test_an_agent_of_another_user_is_named_with_the_remedy
    needs_root("it makes a folder of another user")
    FileUtils.mkdir_p(folder = File.join(scratch, "passenger.abcdef"))
    File.chown(12_345, nil, folder)
    assert_fails 1, /#{folder} belongs to the user with uid 12345: .* \(sudo -u '#12345'\)/,
                 STATUS, "--registry-dir=#{scratch}"
  end

  def test_a_path_that_is_empty_is_refused_and_others_are_made_absolute
    assert_fails 1, /the path is empty; --all/, CONFIG, "drain", ""
    assert_fails 1, %r{path begins with #{File.realpath("..")}/none\. },
                 CONFIG, "drain", "../none"
  end

  def test_output_that_cannot_be_written_is_an_error
    [[STATUS], [STATUS, "--json"], [CONFIG, "list-instances"],
     [STATUS, "--version"]].each do |words|
      line = [program(words.first), *words.drop(1)].join(" ")
      _, error, status = Open3.capture3(environment, "#{line} > /dev/full")
      assert_equal 1, status.exitstatus, words
      assert_match(/the output cannot be written|No space left on device/, error)
    end
  end

  def test_a_wrong_command_line_is_refused_with_a_hint
    assert_fails 1, /--nothing is not an option: passenger-status --help/, STATUS,
                 "--nothing"
    assert_fails 1, /nothing is not a command: passenger-config --help/, CONFIG, "nothing"
    assert_fails 1, /name the applications in one way/, CONFIG, "restart-app"
  end

  def test_memory_is_summed_up_by_application
    text = succeed("passenger-memory-stats")
    assert_includes text, "passenger-agent watchdog"
    assert_match(/^#{server.pid} /, text)
    # As scripts find the processes of applications, and the sum.
    assert_match(/^#{pid('blog')} +[\d.]+ MB +([\d.]+|\?) (MB)? .*Passenger RubyApp: /, text)
    assert_match(/^### Total private dirty RSS: (\d+\.?\d+) MB/, text)
    sections = JSON.parse(succeed("passenger-memory-stats", "--json"))
    blog = sections.find { |section| section["title"] == app("blog")["name"] }
    assert_includes blog["processes"].map { |process| process["pid"] }, pid("blog")
    assert blog["sum"]["pss"] > 1024 * 1024 if TestEnvironment.root?
  end

  def test_an_order_can_be_sent_as_it_is
    assert_equal 2, JSON.parse(succeed(CONFIG, "api-call", "status"))["apps"].size
    assert_fails 1, /\S/, CONFIG, "api-call", "nothing"
    # Metrics need nothing of the past.
    refute_empty app("blog")["points"]
    figures = JSON.parse(succeed(CONFIG, "api-call", "status", "", "figures"))["apps"]
    %w[points windows].each do |past|
      assert_equal [[], []], figures.map { |one| one.fetch(past, []) }, past
    end
    assert_operator figures.sum { |one| one["counters"]["requests"] }, :>, 0
  end

  def test_facts_about_the_installation_are_told
    assert_equal TestEnvironment::PASSENGER_ROOT, succeed(CONFIG, "about", "root").strip
    assert_match(/\Amod_passenger \d/, succeed(CONFIG, "--version"))
    assert_includes succeed(CONFIG, "about", "ruby-command"), "PassengerRuby /"
    assert_includes succeed(CONFIG, "system-metrics"), "Number of CPUs"
  end

  def test_bash_completes_commands_options_and_their_values
    assert_equal %w[restart-app resume reopen-logs report], completed(CONFIG, "re")
    assert_equal %w[--wait], completed(CONFIG, "drain", "--w")
    assert_equal %w[xml], completed(STATUS, "--show", "x")
    assert_equal %w[--max-spare --max-clients], completed("passenger-prefork", "--max")
    # bash offers files instead.
    ["/srv", ""].each { |word| assert_empty completed("passenger-prefork", word) }
    assert_empty completed("passenger-prefork", "--rackup", "")
  end

  def test_zsh_completes_commands_options_and_their_values
    skip "there is no zsh" unless system("zsh --version >/dev/null 2>&1")
    assert_equal %w[restart-app resume reopen-logs report], completed_by_zsh(CONFIG, "re")
    assert_equal %w[--wait], completed_by_zsh(CONFIG, "drain", "--w")
    assert_equal %w[xml], completed_by_zsh(STATUS, "--show=x")
  end

  def test_the_check_of_the_installation_looks_at_each_application
    findings, = Open3.capture2(environment, program(CONFIG), "validate-install", "--json",
                               "--no-validate-apache2")
    findings = JSON.parse(findings)
    subjects = findings.map { |finding| finding["subject"] }
    assert_includes subjects, "application #{app('blog')['name']}"
    problems = findings.select { |finding| finding["level"] != "ok" }
    assert(problems.all? { |finding| !finding["remedy"].empty? }, problems.inspect)
    texts = findings.filter_map do |finding|
      finding["text"] if finding["subject"] == "application #{app('blog')['name']}"
    end
    assert_includes texts, "startup file #{root('blog')}/config.ru"
    assert(texts.any? { |text| text.match?(/\Ainterpreter \S+: ruby \d/) }, texts.inspect)
    assert(texts.any? { |text| text.start_with?("native code ") }, texts.inspect)
  end

  private

  # What bash offers for the last word.
  def completed(*words)
    file = File.join(TestEnvironment::BUILD_DIR, "completion/bash", words.first)
    script = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); ' \
             '"_${1//-/_}"; printf "%s\n" "${COMPREPLY[@]}"'
    Open3.capture2("bash", "-c", script, "bash", file, *words).first.split("\n")
  end

  # What zsh offers for the last word: a shell in a terminal tells it at the key Tab, by what its
  # completion adds.
  def completed_by_zsh(*words)
    folder = File.join(TestEnvironment::BUILD_DIR, "completion/zsh")
    script = <<~'ZSH'
      PS1= PS2=
      autoload -U compinit && compinit -u -D
      compadd() {
        if [[ ${@[1,(i)(-|--)]} != *-(O|A|D)\ * ]]; then
          local -a found
          builtin compadd -A found "$@"
          for one in $found; do print "ANSWER:$one"; done
        fi
        builtin compadd "$@"
      }
      zle -C offered list-choices _main_complete
      answer() { zle offered; print "ANSWERS END"; exit }
      zle -N answer
      bindkey '^I' answer
    ZSH
    output = +""
    PTY.spawn({ "HOME" => folder, "TERM" => "dumb" }, "zsh", "-f", "-i") do |terminal, keys, pid|
      keys.puts "fpath=(#{folder} $fpath)", script
      keys.print "#{words.join(' ')}\t"
      output << terminal.readpartial(4096) until output.include?("ANSWERS END\r")
    rescue Errno::EIO
      # The shell has ended.
    ensure
      Process.wait(pid)
    end
    output.scan(/ANSWER:(\S+)\r$/).flatten
  end

  def texts(document, *paths)
    paths.map { |path| REXML::XPath.first(document, path).text }
  end
end
