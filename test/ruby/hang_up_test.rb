# frozen_string_literal: true

require_relative "test_helper"
require "open3"
require "rbconfig"

module PhusionPassenger
  class HangUpTest < TestCase
    # Prints what is seen of an open socket, of one whose other end writes no more, and of one that
    # is closed on the other side.
    LOOKS = <<~RUBY
      require "#{LIBRARY}/wire/hang_up"
      ours, theirs = UNIXSocket.pair(:SEQPACKET)
      seen = []
      look = -> { seen << PhusionPassenger::HangUp.seen?(ours) }
      look.call
      theirs.close_write
      look.call
      theirs.close
      look.call
      puts seen.inspect
    RUBY

    def test_a_hang_up_is_the_end_of_both_directions
      assert_equal "[false, false, true]\n", run_ruby(LOOKS)
    end

    def test_rubies_before_3_0_take_the_end_of_writing_for_a_hang_up
      assert_equal "[false, true, true]\n",
                   run_ruby("IO.send(:remove_const, :PRIORITY)\n#{LOOKS}")
    end

    private

    def run_ruby(code)
      output, status = Open3.capture2(RbConfig.ruby, "-w", "-e", code)
      assert_predicate status, :success?
      output
    end
  end
end
