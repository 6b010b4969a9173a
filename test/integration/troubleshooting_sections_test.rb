# frozen_string_literal: true

require_relative "support/troubleshooting"

# Each section of doc/TROUBLESHOOTING.md has a test that names it.
class TroubleshootingSectionsTest < Minitest::Test
  def test_each_section_is_named_by_a_test
    tests = Dir[File.join(__dir__, "troubleshooting_*_test.rb")].map { |file| File.read(file) }.join
    sections = File.readlines(TroubleshootingTest::DOCUMENT, chomp: true).grep(/\A## /)
    anchors = sections.map { |line| line[3..].downcase.delete("^a-z0-9 -").tr(" ", "-") }
    refute_empty anchors
    named = tests.scan(%r{doc/TROUBLESHOOTING\.md#([a-z0-9-]+)}).flatten
    assert_equal anchors.sort, named.uniq.sort
  end
end
