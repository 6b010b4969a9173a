# frozen_string_literal: true

require_relative "process_test_case"
require "etc"
require "tmpdir"
require_relative "../integration/support/hanging_files"
require_relative "../../lib/passenger/spawn/login_shell"

module PhusionPassenger
  # Starts processes: their environment, and reports of failures.
  class SpawnServerTest < ProcessTestCase
    def test_the_spawn_server_sends_hello_with_its_versions
      assert_equal 32, @agent.hello.type
      assert_equal ["1", RUBY_VERSION], @agent.hello.fields.values_at(0, 2)
      assert @agent.alive?(@agent.hello.fields[1].to_i)
    end

    def test_a_missing_ruby_fails_the_step_ruby_started
      ["/nowhere/ruby", "no-such-ruby"].each do |ruby|
        answer, = @agent.start("instance", ruby: ruby)
        assert_equal [35, "Ruby started"], [answer.type, answer.fields[0]]
        assert_includes answer.fields[1], ruby
      end
    end

    def test_a_ruby_that_cannot_be_executed_fails_the_step_ruby_started
      answer, = @agent.start("instance", ruby: File.expand_path(__FILE__))
      assert_equal [35, "Ruby started"], [answer.type, answer.fields[0]]
      assert_includes answer.fields[1], "Permission denied"
    end

    def test_a_role_that_does_not_exist_is_refused
      answer, = @agent.start("../../bin/sh")
      assert_equal 35, answer.type
    end

    def test_the_spawn_server_continues_after_a_failure
      @agent.start("instance", ruby: "/nowhere/ruby")
      instance = loaded("instance", "hello.ru")
      assert_equal "hello", get(serve(instance), instance, "/")
    end

    def test_the_environment_has_the_given_variables_and_the_user_s
      instance = loaded("instance", "probe.ru",
                        environment: { "GIVEN" => "yes", "HOME" => "/given" })
      seen = get(serve(instance), instance, "/env").lines(chomp: true).to_h do |line|
        line.split("=", 2)
      end
      account = Etc.getpwuid
      assert_equal ["yes", "/given", account.name, account.name, account.shell],
                   seen.values_at("GIVEN", "HOME", "USER", "LOGNAME", "SHELL")
      assert_equal %w[GIVEN HOME LANG LOGNAME PASSENGER_APP_ENV PATH PWD RACK_ENV RAILS_ENV SHELL
                      USER], seen.keys.sort
    end

    def test_the_login_shell_reads_the_user_s_profile
      seen = environment_with_profile("export FROM_PROFILE=yes GIVEN=overridden\necho printed")
      assert_equal %w[yes], seen.values_at("FROM_PROFILE")
      assert_empty %w[_ SHLVL OLDPWD] & seen.keys
    end

    def test_the_ruby_is_looked_for_where_the_profile_says
      Dir.mktmpdir do |folder|
        File.symlink(RbConfig.ruby, File.join(folder, "ruby-of-the-user"))
        seen = environment_with_profile("PATH=#{folder}:$PATH", ruby: "ruby-of-the-user")
        assert_includes seen["PATH"].split(":"), folder
      end
    end

    # As the shims of rbenv, pyenv and others do. A profile may leave the folder.
    def test_the_ruby_is_chosen_in_the_application_s_folder
      in_folder("ruby" => <<~SHELL, ".version" => "3.9.9\n") do |root|
        #!/bin/sh
        read -r CHOSEN < .version
        export CHOSEN
        exec "#{RbConfig.ruby}" "$@"
      SHELL
        File.chmod(0o755, "#{root}/ruby")
        seen = [environment_with_profile("export SEEN=$PWD; cd /tmp", ruby: "#{root}/ruby",
                                                                      folder: root),
                environment_of(ruby: "#{root}/ruby", environment: { "PWD" => root })]
        assert_equal %w[3.9.9 3.9.9], (seen.map { |variables| variables["CHOSEN"] })
        assert_equal root, seen.first["SEEN"]
      end
    end

    def test_a_folder_that_is_not_there_is_left_to_the_loader
      _, frames = load("instance", "hello.ru", { app_root: "/nowhere" },
                       environment: { "PWD" => "/nowhere" })
      assert_equal "working directory", frames.last.fields.first
    end

    # The profile ends the shell at what fails.
    def test_a_folder_that_is_removed_while_the_profile_is_read_is_left_to_the_loader
      skip "needs a login shell that is known" unless knows_own_shell?
      Dir.mktmpdir do |home|
        Dir.mkdir(root = "#{home}/app")
        File.write("#{home}/.profile", "set -e\nrmdir '#{root}'\n")
        _, frames = load("instance", "hello.ru", { app_root: root }, profile: true,
                         environment: { "HOME" => home, "PWD" => root })
        assert_equal "working directory", frames.last.fields.first
      end
    end

    # Neither does the spawn server wait for it, nor the start of another application.
    def test_a_folder_that_does_not_answer_holds_up_its_own_process_only
      skip HangingFiles.missing if HangingFiles.missing
      Dir.mktmpdir do |place|
        files = HangingFiles.new(place)
        answer, process = in_time do
          @agent.start("instance", ruby: "no-such-ruby", environment: { "PWD" => files.folder })
        end
        assert_equal [34, "process forked"], [answer.type, answer.fields[3]]
        refute process.control.io.wait_readable(0.1)
        assert_equal 51, in_time { load("instance", "hello.ru") }.last.last.type
        files.finish
        assert_nil process.read
        assert_match(/no-such-ruby/, output_of(process))
      ensure
        files&.finish
      end
    end

    def test_the_spawn_server_reports_whether_a_shell_reads_the_profile
      answers = [true, false].map do |profile|
        @agent.start("instance", profile: profile).first.fields[2]
      end
      assert_equal [knows_own_shell? ? "1" : "0", "0"], answers
    end

    def test_a_profile_that_ends_the_shell_ends_the_process
      skip "needs a login shell that is known" unless knows_own_shell?
      Dir.mktmpdir do |home|
        File.write(File.join(home, ".profile"), "echo that is all; exit 3")
        _, process = @agent.start("instance", profile: true, environment: { "HOME" => home })
        assert_nil process.read
        assert_equal ["that is all\n", (3 << 8).to_s],
                     [process.output, process.wait_status].map { |io| in_time { io.read } }
      end
    end

    def test_a_shell_that_refuses_logins_is_not_used
      refute_predicate LoginShell.new("/usr/sbin/nologin"), :usable?
      refute_predicate LoginShell.new("/nowhere/bash"), :usable?
    end

    def test_a_process_with_a_gate_executes_nothing_before_the_agent_lets_it
      forked = nil
      limit = Process.getrlimit(Process::RLIMIT_NPROC).max - 1
      answer, process = @agent.start("instance") do |socket|
        gate = PhusionPassenger::FrameSocket.new(socket)
        forked = gate.read
        refute @agent.answered?(0.1)
        gate.write(PhusionPassenger::Frame::Spawn::GO, limit)
      end
      assert_equal [37, 34], [forked.type, answer.type]
      assert_equal 48, process.read.type
      assert_match(/^Max processes +#{limit} +#{limit} /, File.read("/proc/#{process.pid}/limits"))
    end

    def test_a_gate_that_closes_ends_the_start
      answer, = @agent.start("instance") { |socket| [socket.readpartial(8), socket.close] }
      assert_equal [35, "process forked"], [answer.type, answer.fields[0]]
    end

    def test_the_umask_is_022
      usual = File.umask(0o077)
      @agent.close
      @agent = closing(Peers::Agent.new)
      process = loaded("instance")
      assert_match(/^Umask:\t0022$/, File.read("/proc/#{process.pid}/status"))
    ensure
      File.umask(usual)
    end

    def test_nothing_but_control_and_output_is_inherited
      leak, = IO.pipe.each { |io| closing(io) }
      leak.close_on_exec = false
      agent = closing(Peers::Agent.new(inherited: { leak.fileno => leak }))
      _, process = agent.start("instance")
      process.read
      links = descriptors_of(process)
      assert_equal "/dev/null", links[0]
      assert_equal links[1], links[2]
      assert_equal 1, links.values.grep(/socket:/).size
      refute_includes links.values, File.readlink("/proc/self/fd/#{leak.fileno}")
    end

    def test_processes_that_end_are_reaped
      _, process = @agent.start("instance")
      process.read
      process.control.close
      eventually("the reaping") { !File.exist?("/proc/#{process.pid}") }
    end

    # The pipe ends when no process holds it any more.
    def test_the_pipe_of_a_process_that_ends_at_once_is_closed
      agent = closing(Peers::Agent.new(server: "#{FIXTURES}/late_spawn_server.rb"))
      answer, process = agent.start("instance", ruby: "/bin/false")
      assert_equal 34, answer.type, answer.fields.inspect
      assert_equal "256", in_time { process.wait_status.read }
    end

    def test_a_spawn_server_without_processes_ends_after_a_while
      @agent.close
      @agent = closing(Peers::Agent.new(Etc.getpwuid.name, "1"))
      _, process = @agent.start("instance")
      process.read
      pid = @agent.hello.fields[1].to_i
      before = switches(pid)
      eventually("that the time has passed while the process runs") { switches(pid) >= before + 3 }
      assert @agent.alive?(pid)
      process.booted
      process.close
      assert_equal PhusionPassenger::Frame::Spawn::IDLE, @agent.read.type
      assert_equal 0, @agent.wait
    end

    def test_the_spawn_server_reports_the_wait_status_of_processes
      killed, finished = Array.new(2) { loaded("instance") }
      Process.kill("KILL", killed.pid)
      finished.control.close
      assert_equal %w[9 0], [killed,
                             finished].map { |instance| in_time { instance.wait_status.read } }
    end

    def test_a_broken_control_socket_ends_the_spawn_server
      reader, writer = IO.pipe.each { |io| closing(io) }
      ours, theirs = stream_pair
      pid = spawn(RbConfig.ruby, "#{LIBRARY}/spawn/spawn_server.rb", 3 => theirs, err: writer)
      writer.close
      ours.syswrite("\xFF" * 8)
      in_time { Process.wait(pid) }
      assert_match(/\Aevent=control.broken reason=".*"\n\z/, reader.read)
    end

    private

    def knows_own_shell?
      LoginShell.new(Etc.getpwuid.shell).usable?
    end

    # How often the main thread of a process has gone to sleep (proc(5)).
    def switches(pid)
      File.read("/proc/#{pid}/status")[/^voluntary_ctxt_switches:\s*(\d+)/, 1].to_i
    end

    def environment_with_profile(profile, folder: "/", **start)
      skip "needs a login shell that is known" unless knows_own_shell?
      Dir.mktmpdir do |home|
        File.write(File.join(home, ".profile"), profile)
        environment_of(profile: true, environment: { "HOME" => home, "PWD" => folder }, **start)
      end
    end

    # Returns the environment that the application has.
    def environment_of(**start)
      instance = loaded("instance", "probe.ru", **start)
      get(serve(instance), instance, "/env").lines(chomp: true).to_h { |line| line.split("=", 2) }
    end
  end
end
