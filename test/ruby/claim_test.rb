# frozen_string_literal: true

require_relative "test_helper"

module PhusionPassenger
  # Runs the cases of test/claims/cases, whose first lines say the form, with the Ruby class and,
  # where it is built, with the native one.
  class ClaimTest < TestCase
    CASES = File.readlines(File.expand_path("../claims/cases", __dir__), chomp: true)
                .grep_v(/\A(#|\z)/).slice_before(/\Acase /)
    CLASSES = Native::LOADED ? [Claim, Native::Claim] : [Claim]
    private_constant :CASES, :CLASSES

    def setup
      super
      @group = closing(Peers::Group.new)
    end

    CASES.each do |name, *statements|
      define_method("test_#{name.delete_prefix('case ').tr(' ', '_')}") do
        CLASSES.each { |kind| run_case(kind, statements) }
      end
    end

    def test_the_claim_is_written_before_the_mark_is_read
      closed = File.open(File::NULL).tap(&:close)
      assert_raises(IOError) { Claim.new(@group.claims, closed, 64).take(request(0x50011, 9)) }
      assert_equal [0x50011, 9], @group.claim(0)
    end

    def test_a_closed_claim_changes_nothing_and_runs_nothing
      CLASSES.each do |kind|
        @group.mark(17, 0x500000000)
        claim = claim(kind, 3)
        claim.take(request(0x50011, 9))
        claim.close
        claim.clear
        claim.complete
        refute claim.take(request(0x50011, 10))
        assert_equal [0x50011, 9], @group.claim(3)
        assert_equal [0, 0], @group.answered(3)
      end
    end

    private

    def run_case(kind, statements)
      group = closing(Peers::Group.new)
      claims = Hash.new { |known, cell| known[cell] = claim(kind, cell, group) }
      @begin = Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond)
      statements.each { |statement| run_statement(group, claims, statement) }
      claims.each_value(&:close)
    end

    def run_statement(group, claims, statement)
      name, *words, outcome = statement.split
      words << outcome unless %w[take counted].include?(name)
      cell, channel, ticket = words.map { |word| Integer(word) }
      case name
      when "mark" then group.mark(cell, channel)
      when "cell" then group.write_claim(cell, channel, ticket)
      when "take"
        assert_equal outcome, claims[cell].take(request(channel, ticket)) ? "run" : "skip",
                     statement
      when "clear" then claims[cell].clear
      when "complete" then claims[cell].complete
      when "answered" then group.write_answered(cell, channel)
      when "counted" then assert_counted(channel, outcome, group.answered(cell), statement)
      when "expect" then assert_equal [channel, ticket], group.claim(cell), statement
      else flunk "no such statement: #{statement}"
      end
    end

    def assert_counted(count, outcome, found, statement)
      assert_equal count, found.first, statement
      now = Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond)
      expected = outcome == "used" ? @begin..now : 0..0
      assert_includes expected, found.last, statement
    end

    def claim(kind, cell, group = @group)
      kind.new(group.claims, group.withdrawals, 64 + 32 * cell)
    end

    def request(channel, ticket)
      [0, channel, ticket, 0].pack("Q<4")
    end
  end
end
