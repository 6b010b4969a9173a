# frozen_string_literal: true

require_relative "test_helper"
require "minitest/mock"
require "passenger/base/limited_fork"

module PhusionPassenger
  class LimitedForkTest < TestCase
    # Each sets the limit after the watching thread has begun.
    AT_THE_LIMIT = <<~RUBY
      require "#{LIBRARY}/base/limited_fork"
      Process.singleton_class.prepend(Module.new do
        def fork
          Process.setrlimit(Process::RLIMIT_NPROC, 1)
          super
        end
      end)
      # The limit does not hold for root.
      Process::UID.change_privilege(65_534) if Process.uid.zero?
      begin
        PhusionPassenger::LimitedFork.call(0.1) { exit!(0) }
      rescue SystemCallError => e
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

    # It arrives when the child lives already.
    def test_an_interruption_that_comes_late_has_no_effect
      late = proc do
        Thread.pass until Thread.pending_interrupt?
        4711
      end
      Process.stub(:fork, late) { assert_equal 4711, LimitedFork.call(0) { flunk } }
    end

    def test_without_a_task_for_the_watching_thread_the_fork_fails
      Thread.stub(:new, ->(*) { raise ThreadError }) do
        assert_raises(Errno::EAGAIN) { LimitedFork.call { exit!(0) } }
      end
    end
  end
end
