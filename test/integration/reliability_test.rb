# frozen_string_literal: true

require_relative "support/integration_test"

# Each row of doc/RELIABILITY.md names tests, and they exist.
class ReliabilityTest < Minitest::Test
  DOCUMENT = File.join(TestEnvironment::SOURCE_DIR, "doc/RELIABILITY.md")
  # In Ruby and in C++.
  NAME = /`(test_\w+|test[A-Z]\w+)`/.freeze

  def test_each_promise_is_asserted_by_a_test_that_exists
    refute_empty rows
    rows.each do |row|
      names = row.scan(NAME).flatten
      refute_empty names, row
      names.each { |name| assert(/\b(def|void) #{name}\b/.match?(tests), "no #{name}: #{row}") }
    end
  end

  private

  # Without the heads of tables.
  def rows
    @rows ||= File.readlines(DOCUMENT, chomp: true).grep(/\A\| /).grep_v(/\| shown by \|\z/)
  end

  def tests
    @tests ||= Dir[File.expand_path("../{integration/*_test.rb,unit/*/*Test.cpp}", __dir__)]
               .map { |file| File.read(file) }.join
  end
end
