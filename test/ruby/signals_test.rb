# frozen_string_literal: true

require_relative "test_helper"

module PhusionPassenger
  # Each test has a process of its own, because handlers stay.
  class SignalsTest < TestCase
    LEFT = %w[HUP USR1 USR2 TTIN TTOU].freeze

    def test_signals_for_the_monitor_do_not_end_the_process
      assert_equal "lives", run_script("LEFT.each { |name| Process.kill(name, Process.pid) }; " \
                                       "print 'lives'")
    end

    def test_the_application_s_own_forks_have_default_handlers
      assert_equal "[]", run_script("Signals.restore; print LEFT.map { |name| trap(name, " \
                                    "'DEFAULT') }.grep(Proc)")
    end

    def test_handlers_of_the_application_stay
      assert_equal "own", run_script("trap('USR2') { print 'own' }; Signals.restore; " \
                                     "Process.kill('USR2', Process.pid)")
    end

    private

    def run_script(text)
      script = <<~RUBY
        require "#{LIBRARY}/app/signals"
        include PhusionPassenger
        LEFT = #{LEFT.inspect}
        Signals.leave_to_monitor
        #{text}
      RUBY
      IO.popen([RbConfig.ruby, "-e", script], &:read)
    end
  end
end
