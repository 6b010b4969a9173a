# frozen_string_literal: true

require_relative "support/troubleshooting"
require_relative "support/troubleshooting_rows"

# Each section of doc/TROUBLESHOOTING.md has a test that names it, and each row of its tables one
# that shows the symptom and the remedy.
class TroubleshootingSectionsTest < Minitest::Test
  ROWS = TroubleshootingRows::ROWS

  def test_each_section_is_named_by_a_test
    tests = Dir[File.join(__dir__, "troubleshooting_*_test.rb")].map { |file| File.read(file) }.join
    refute_empty sections
    named = tests.scan(%r{doc/TROUBLESHOOTING\.md#([a-z0-9-]+)}).flatten
    assert_equal sections.keys.sort, named.uniq.sort
  end

  def test_each_row_has_a_test
    assert_equal sections.keys, ROWS.keys
    sections.each do |section, rows|
      assert_equal rows, ROWS[section].map(&:first), section
    end
  end

  def test_the_tests_of_the_rows_are_there
    ROWS.values.flatten(1).each do |row, *places|
      refute_empty places, row
      places.each do |place|
        file, name = place.split("#", 2)
        path = file.include?("/") ? File.join("../..", file) : "#{file}_test.rb"
        text = File.read(File.expand_path(path, __dir__))
        assert_match(/(^|def |define_method\("|void )#{Regexp.escape(name)}(?!\w)/, text, row)
      end
    end
  end

  private

  # By anchor, in order: the first cell of each row, cut.
  def sections
    anchor = nil
    File.readlines(TroubleshootingTest::DOCUMENT, chomp: true).each_with_object({}) do |line, all|
      if line.start_with?("## ")
        anchor = line[3..].downcase.delete("^a-z0-9 -").tr(" ", "-")
        all[anchor] = []
      elsif anchor && line.start_with?("| ")
        all[anchor] << TroubleshootingRows.key(line)
      end
    end.transform_values { |rows| rows.drop(1) }
  end
end
