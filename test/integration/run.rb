#!/usr/bin/env ruby
# frozen_string_literal: true

# Runs the integration tests: all of them, or the files whose name has one of the words in the
# arguments or in TEST. Arguments from the first dash on are minitest's: `run.rb uploads -v -n
# /chunked/`.
#
# PASSENGER_ROOT, PASSENGER_MODULE and BUILD_DIR name the build under test; ../../build is the
# default. KEEP=1 keeps the servers' folders. TEST_JOBS=1 runs one file at a time. RUN_AGAIN=yes
# gives a few failed files a second run.

words = ARGV.take_while { |argument| !argument.start_with?("-") }
options = ARGV.drop(words.size)
words += ENV.fetch("TEST", "").split
ARGV.replace(options)

require "minitest"
require_relative "support/environment"
require_relative "support/integration_test"
require_relative "support/parallel_run"
require_relative "support/time_limit"

TestEnvironment.check!

files = Dir.glob(File.join(__dir__, "*_test.rb")).sort
chosen = files.select do |file|
  words.empty? || words.any? { |word| File.basename(file).include?(word) }
end
abort "No test file has #{words.join(' or ')} in its name" if chosen.empty?

exit ParallelRun.new(chosen, ARGV).run if chosen.size > 1
require chosen.first
exit Minitest.run(ARGV)
