# frozen_string_literal: true

require "minitest"

require_relative "../apps/support/application"
require_relative "../apps/support/report"

# The verdict of `make apps`, by results as its trials find them.
class AppsReportTest < Minitest::Test
  PLAIN = Application::Check.new(sentence: "it answers", gap: nil)
  KNOWN = Application::Check.new(sentence: "it is fast", gap: "it is slow")
  # What a report reads of a class of applications.
  Tried = Struct.new(:title, :checks)
  TRIED = Tried.new("Tried", [PLAIN, KNOWN]).freeze

  def test_an_application_that_passes_is_a_success_whatever_fails_there
    assert success?(ours: [], theirs: [PLAIN])
    assert success?(ours: [], theirs: nil)
  end

  def test_a_check_that_fails_here_fails_the_run_unless_it_is_a_known_gap
    refute success?(ours: [PLAIN], theirs: [PLAIN])
    refute success?(ours: [PLAIN], theirs: nil)
    assert success?(ours: [KNOWN], theirs: [KNOWN])
    assert success?(ours: [KNOWN], theirs: nil)
  end

  def test_a_known_gap_that_the_peer_does_not_have_fails_the_run
    refute success?(ours: [KNOWN], theirs: [])
    assert_includes @output, "worse here than there: Tried"
  end

  def test_skips_and_a_missing_peer_fail_the_run_if_that_is_wanted
    skipped = Report::Row.new(application: TRIED, versions: [], skipped: "no npm")
    [true, false].each do |wanted|
      assert_equal !wanted, verdict(skipped, skips: wanted)
      assert_equal !wanted, verdict(row([], nil), peer: false, skips: wanted)
      assert verdict(row([], []), skips: wanted)
    end
  end

  private

  def success?(ours:, theirs:)
    verdict(row(ours, theirs))
  end

  def row(ours, theirs)
    failures = ->(checks) { checks&.to_h { |check| [check, "it fails"] } }
    Report::Row.new(application: TRIED, versions: [], ours: failures.call(ours),
                    theirs: failures.call(theirs))
  end

  def verdict(row, peer: true, skips: false)
    report = Report.new(peer: peer, skips: skips)
    @output, = capture_io do
      report.add(row)
      report.print
    end
    report.success?
  end
end
