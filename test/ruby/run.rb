# frozen_string_literal: true

# Runs all Ruby tests, or the files with TEST in their name: TEST=request_handler ruby
# test/ruby/run.rb
require_relative "test_helper"
files = Dir[File.join(__dir__, "*_test.rb")].sort.select do |file|
  File.basename(file).include?(ENV.fetch("TEST", ""))
end
# A Node instance takes requests by its addon alone, so the other run has tested it.
if ENV["PASSENGER_NATIVE"] == "off" && ENV.fetch("TEST", "").empty?
  files.reject! { |file| File.basename(file).start_with?("node_") }
end
abort "#{$PROGRAM_NAME}: no file has #{ENV.fetch('TEST')} in its name" if files.empty?
files.each { |file| require file }
