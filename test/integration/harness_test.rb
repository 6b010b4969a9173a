# frozen_string_literal: true

require "fiddle"
require_relative "support/integration_test"

# Tests the fixtures with an httpd that does not load the module.
class HarnessTest < IntegrationTest
  def plain
    configuration { |made| made.passenger = false }
  end

  def test_a_private_httpd_serves_a_static_file
    with_server(plain) do |server|
      assert_equal "a static file\n", server.client.get("/static.txt").body
      assert_equal "a static file\n", server.raw.get("/static.txt").body
    end
  end

  def test_httpd_reads_its_configuration_again_when_told_to
    with_server(plain) do |server|
      server.graceful { |made| made.main_directives << "Redirect /old http://127.0.0.1/new\n" }
      eventually { server.client.get("/old").code == "302" }
      server.restart { |made| made.main_directives.clear }
      eventually { server.client.get("/old").code == "404" }
    end
  end

  def test_a_line_of_a_log_is_read_when_it_is_whole
    log = LogReader.new(File.join(scratch, "log"))
    File.write(log.path, "an earlier line\nreason=the first")
    assert_raises(Eventually::TooLate) { log.wait_for(/reason=/, within: 0.1) }
    File.write(log.path, " part\n", mode: "a")
    assert_equal "reason=the first part\n", log.wait_for(/reason=/)
  end

  def test_a_process_that_outlives_httpd_is_noticed
    server = HttpdServer.new(plain).start
    orphan = spawn(server.environment, "sleep", "60", unsetenv_others: true, pgroup: true)
    left = server.stop(patience: 0.2)
    assert_equal 1, left.size, left.inspect
    assert_match(/process #{orphan} .*sleep 60/, left.first)
  ensure
    Process.kill(:KILL, orphan)
    Process.wait(orphan)
    server.destroy
  end

  def test_a_process_is_alive_until_its_last_thread_has_ended
    reader, writer = IO.pipe
    pid = fork { end_first_thread }
    writer.close
    process = ProcessInfo.read(pid)
    eventually("the end of the first thread") { ProcessInfo.read(pid).state == "Z" }
    assert_equal :wait_readable, reader.read_nonblock(1, exception: false)
    assert_predicate process, :alive?
    Process.kill(:KILL, pid)
    assert_equal "", reader.read
    eventually("the end of the process") { !process.alive? }
  ensure
    Process.wait(pid)
    reader.close
  end

  def test_a_temporary_file_that_stays_is_noticed
    server = HttpdServer.new(plain).start
    kept = [File.join(server.folder, "tmp/kept"), File.join(server.spawn_dir, "kept")]
    kept.each { |file| File.write(file, "x") }
    assert_equal(kept.map { |file| "file #{file}" }, server.stop(patience: 0.2))
  ensure
    server.destroy
  end

  def test_several_files_of_tests_run_at_once_and_their_results_are_added
    output, status = run_parallel("assert true", "assert false", "skip")
    refute_predicate status, :success?
    assert_equal "3 runs, 2 assertions, 1 failures, 0 errors, 1 skips", output.lines.last.chomp
    _, status = run_parallel("assert true", "skip")
    assert_predicate status, :success?
  end

  def test_what_failed_is_shown_again_at_the_end_of_several_files
    output, = run_parallel("flunk 'no reason'", "assert true", "raise 'in error'")
    shown = output.scan(/^== Again: (.+?)\n\n/m).flatten.sort
    assert_equal 2, shown.size, output
    assert_match(/\AError:\n.*in error/m, shown.first)
    assert_match(/\AFailure:\n.*no reason/m, shown.last)
  end

  def test_a_file_of_tests_that_ends_without_a_result_is_a_failure
    output, status = run_parallel("assert true", "exit! 0")
    refute_predicate status, :success?
    assert_match(/1_test.rb: no result/, output)
  end

  def test_a_file_that_failed_runs_again_if_that_is_wanted_and_its_second_result_counts
    once = "File.exist?('#{scratch}/ran') or File.write('#{scratch}/ran', '') && flunk"
    output, status = run_parallel(once, "assert true", "RUN_AGAIN" => "yes")
    assert_predicate status, :success?, output
    assert_match(/^== 0_test.rb failed/, output)
    assert_equal "2 runs, 1 assertions, 0 failures, 0 errors, 0 skips", output.lines.last.chomp
    _, status = run_parallel("assert false", "assert true", "RUN_AGAIN" => "yes")
    refute_predicate status, :success?
    _, status = run_parallel(*["assert false"] * 9, "RUN_AGAIN" => "yes")
    refute_predicate status, :success?
  end

  def test_a_unit_test_that_failed_runs_again_if_that_is_wanted_and_its_second_result_counts
    output, status = run_unit_tests
    assert_predicate status, :success?, output
    assert_includes output, "\n== OneTest::testIt failed; what failed runs again\n"
    assert_includes output, "    OneTest::testIt (it failed once, and passed when it ran again)\n"
    _, status = run_unit_tests(second: "0 passed, 1 failed")
    refute_predicate status, :success?
    _, status = run_unit_tests(again: nil)
    refute_predicate status, :success?
    # A sanitizer's report is more than a failed test.
    _, status = run_unit_tests(first_status: 66)
    refute_predicate status, :success?
  end

  def test_a_ruby_test_that_failed_runs_again_by_its_name_alone
    output, status = run_ruby_tests("RUN_AGAIN" => "yes")
    assert_predicate status, :success?, output
    assert_includes output, <<~TEXT
      ruby: 2 passed, 0 failed
          OneTest#test_once (it failed once, and passed when it ran again)
            the first time
    TEXT
    output, status = run_ruby_tests
    refute_predicate status, :success?
    assert_includes output, "    OneTest#test_once\n      the first time\n"
  end

  def test_a_test_that_hangs_fails_and_names_where_it_waits
    output, status = run_parallel("assert true", "sleep", "TEST_LIMIT_SECONDS" => "2")
    refute_predicate status, :success?
    assert_match(/^#<Class:.*>#test_it has not ended in time.*\n.*Thread.*\n.*1_test.rb:1:/, output)
    assert_equal "2 runs, 1 assertions, 0 failures, 1 errors, 0 skips", output.lines.last.chomp
  end

  def test_a_test_whose_clean_up_hangs_ends_its_process
    hang = "begin; sleep; ensure; begin; sleep; ensure; begin; sleep; ensure; sleep; end; end; end"
    limits = { "TEST_LIMIT_SECONDS" => "2", "TEST_GRACE_SECONDS" => "1" }
    output, status = run_parallel(hang, "assert true", **limits)
    refute_predicate status, :success?
    assert_match(/test_it does not end; its process ends/, output)
    assert_match(/0_test.rb: no result/, output)
  end

  def test_a_file_of_tests_that_does_not_end_is_told_to_end
    output, status = run_parallel("assert true", "at_exit { sleep }",
                                  "TEST_FILE_LIMIT_SECONDS" => "5")
    refute_predicate status, :success?
    assert_match(/^== 1_test.rb has not ended in time \(5 s\), and is ended/, output)
    assert_match(/1_test.rb: .*SIGTERM/, output)
  end

  def test_what_could_not_run_here_is_named_again_at_the_end_of_all_suites
    note = "not run: the commands of doc/NODE.md: needs npm"
    result = "1 runs, 0 assertions, 0 failures, 0 errors, 1 skips"
    output, status = run_suite_that("puts #{note.dump}, 'later output', #{result.dump}")
    assert_predicate status, :success?, output
    assert_equal ["== all", "integration: 0 passed, 0 failed", "    #{note}", "0 passed, 0 failed"],
                 output.lines(chomp: true).last(4)
  end

  def test_a_suite_may_print_any_bytes_in_any_locale
    result = "1 runs, 0 assertions, 0 failures, 0 errors, 0 skips"
    %w[C C.UTF-8].each do |locale|
      output, status = run_suite_that("puts '\u00E9', \"\\xFF\", #{result.dump}",
                                      "LC_ALL" => locale)
      assert_predicate status, :success?, output
      assert_equal "1 passed, 0 failed", output.lines.last.chomp
    end
  end

  private

  def run_suite_that(code, **environment)
    suite = File.join(scratch, "test/integration/run.rb")
    FileUtils.mkdir_p(File.dirname(suite))
    File.write(suite, "#{code}\n")
    run_suites("integration", **environment)
  end

  # Another thread of the process goes on.
  def end_first_thread
    Thread.new { sleep 60 }
    address = Fiddle.dlopen(nil)["pthread_exit"]
    Fiddle::Function.new(address, [Fiddle::TYPE_VOIDP], Fiddle::TYPE_VOID).call(nil)
  end

  # A program with unit tests, one of which fails in the first run. It tells the second result.
  def run_unit_tests(first_status: 1, second: "1 passed, 0 failed", again: "yes")
    program = File.join(scratch, "test/unit/unit_tests")
    FileUtils.mkdir_p(File.dirname(program))
    File.write(program, <<~SHELL, perm: 0o755)
      #!/bin/sh
      case "$*" in
      "--share 1/"*)
          echo Passenger::OneTest::testIt
          echo '3 passed, 1 failed'
          exit #{first_status}
          ;;
      --share*) echo '2 passed, 0 failed' ;;
      OneTest::testIt) echo '#{second}' ;;
      esac
    SHELL
    run_suites("unit", "RUN_AGAIN" => again)
  end

  # Two tests, one of which fails in its first run.
  def run_ruby_tests(**environment)
    suite = File.join(scratch, "test/ruby/run.rb")
    FileUtils.mkdir_p(File.dirname(suite))
    FileUtils.rm_f(ran = File.join(scratch, "ran"))
    File.write(suite, <<~RUBY)
      require "minitest/autorun"
      module Named
        class OneTest < Minitest::Test
          def test_once
            File.exist?("#{ran}") or File.write("#{ran}", "") && flunk("the first time")
          end

          def test_once_more
            assert true
          end
        end
      end
    RUBY
    run_suites("ruby", **environment)
  end

  def run_suites(name, **environment)
    script = File.join(TestEnvironment::SOURCE_DIR, "script/run-tests")
    places = { "SOURCE_DIR" => scratch, "BUILD_DIR" => scratch, "RUN_AGAIN" => nil }
    Open3.capture2e(places.merge(environment), RbConfig.ruby, script, name)
  end

  # Runs a file of tests with one test for each body.
  def run_parallel(*bodies, **environment)
    files = bodies.map.with_index do |body, index|
      File.join(scratch, "#{index}_test.rb").tap do |file|
        File.write(file, "Class.new(Minitest::Test) { define_method(:test_it) { #{body} } }\n")
      end
    end
    Open3.capture2e({ "RUN_AGAIN" => nil }.merge(environment), RbConfig.ruby,
                    "-r", File.join(__dir__, "support/parallel_run.rb"),
                    "-e", "exit ParallelRun.new(ARGV, []).run", *files)
  end
end
