# frozen_string_literal: true

require_relative "test_helper"

module PhusionPassenger
  # Each test has a process of its own, because a guard cannot be removed.
  class ForkGuardTest < TestCase
    WAYS = ["fork { report }", "fork or (report; exit!)", "Process.fork { report }",
            "Kernel.fork { report }"].freeze

    def test_the_block_is_called_in_every_fork
      WAYS.each { |way| assert_equal "closed in the child\n", run_guarded(way), way }
    end

    def test_the_block_is_called_in_every_fork_of_older_rubies
      older = "def Process.respond_to?(name, *) = name == :_fork ? false : super"
      WAYS.each { |way| assert_equal "closed in the child\n", run_guarded(way, before: older), way }
    end

    def test_a_fork_of_a_fork_closes_nothing_twice
      assert_equal "closed in the child\n",
                   run_guarded("fork { report; fork { exit! }; Process.wait }")
    end

    def test_programs_that_are_started_are_no_forks
      assert_equal "", run_guarded("system('true'); `true`")
    end

    private

    def run_guarded(way, before: "")
      script = <<~RUBY
        #{before}
        require "#{LIBRARY}/app/fork_guard"
        $closed = 0
        PhusionPassenger::ForkGuard.install { $closed += 1 }
        def report = $stdout.syswrite("closed in the child\\n" * $closed)
        #{way}
        Process.waitall
        exit!
      RUBY
      IO.popen([RbConfig.ruby, "-e", script], &:read)
    end
  end
end
