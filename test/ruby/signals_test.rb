# frozen_string_literal: true

require_relative "test_helper"

module PhusionPassenger
  # In a process of its own, since handlers stay.
  class SignalsTest < TestCase
    LEFT = %w[HUP USR1 USR2 TTIN TTOU].freeze

    def test_what_is_left_to_the_monitor_ends_nobody
      assert_equal "lives", run_script("LEFT.each { |name| Process.kill(name, Process.pid) }; print 'lives'")
    end

    def test_the_application_s_own_forks_are_as_others_again
      assert_equal "[]", run_script("Signals.restore; print LEFT.map { |name| trap(name, 'DEFAULT') }.grep(Proc)")
    end

    def test_what_the_application_has_set_stays
      assert_equal "own", run_script("trap('USR2') { print 'own' }; Signals.restore; Process.kill('USR2', Process.pid)")
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
