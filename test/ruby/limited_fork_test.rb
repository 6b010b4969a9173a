# frozen_string_literal: true

require_relative "test_helper"
require "minitest/mock"
require "passenger/base/limited_fork"

module PhusionPassenger
  class LimitedForkTest < TestCase
    # The limit does not hold for root. The process goes on.
    AT_THE_LIMIT = <<~RUBY
      require "#{LIBRARY}/base/limited_fork"
      Process::UID.change_privilege(65_534) if Process.uid.zero?
      Process.setrlimit(Process::RLIMIT_NPROC, 1)
      begin
        PhusionPassenger::LimitedFork.call(0.1) { exit!(0) }
      rescue SystemCallError => e
        sleep(0.01)
        puts e.class
      end
    RUBY

    def test_the_block_runs_in_a_child_with_one_thread
      reader, writer = IO.pipe
      pid = LimitedFork.call { exit!(writer.syswrite(Thread.list.size.to_s) == 1 ? 7 : 8) }
      assert_equal 7, Process.wait2(pid).last.exitstatus
      assert_equal "1", reader.readpartial(10)
    ensure
      [reader, writer].each(&:close)
    end

    def test_at_the_limit_of_processes_the_fork_fails_soon
      assert_equal "Errno::EAGAIN\n",
                   in_time { IO.popen([RbConfig.ruby, "-e", AT_THE_LIMIT], &:read) }
    end

    def test_what_the_application_does_beside_the_fork_may_flush_the_output
      flushing = proc do
        Thread.new { $stdout.flush }.join
        4711
      end
      Process.stub(:fork, flushing) { assert_equal 4711, LimitedFork.call(0) { flunk } }
    end

    def test_an_output_that_was_kept_writes_on
      kept = nil
      Process.stub(:fork, -> { kept = $stdout }) { LimitedFork.call(0) }
      assert_same $stdout, kept.flush
      assert_same $stdout, kept.__getobj__
    end

    def test_an_output_that_another_thread_has_set_meanwhile_stays
      before = $stdout
      other = StringIO.new
      Process.stub(:fork, -> { $stdout = other }) { LimitedFork.call }
      assert_same other, $stdout
    ensure
      $stdout = before
    end

    def test_the_output_is_that_of_before
      output = $stdout
      pid = LimitedFork.call { exit!($stdout.equal?(output)) }
      assert_predicate Process.wait2(pid).last, :success?
      assert_same output, $stdout
    end
  end
end
