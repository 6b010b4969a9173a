#!/usr/bin/env ruby
# frozen_string_literal: true

# Serves real applications here and by Debian's Phusion Passenger, and does the same checks with
# both: all applications, or those whose file's name has one of the words in the arguments or in
# TEST. PEER=no leaves Phusion Passenger out. Prints a table; the exit status is 1 if a check fails
# here that is no known gap, or that passes there. With SKIPS=fail it is 1, too, if an application
# was skipped or not compared.

words = ARGV + ENV.fetch("TEST", "").split

require_relative "support/application"
require_relative "support/installation"
require_relative "support/report"
require_relative "support/trial"

TestEnvironment.check!
abort "The applications change their user, so this needs root" unless TestEnvironment.root?

files = Dir.glob(File.join(__dir__, "*.rb")).sort - [File.expand_path(__FILE__)]
chosen = files.select do |file|
  words.empty? || words.any? { |word| File.basename(file).include?(word) }
end
abort "No application's file has #{words.join(' or ')} in its name" if chosen.empty?

chosen.each { |file| require file }
report = Report.new(peer: Trial.peer?, skips: ENV["SKIPS"] == "fail")
Application.all.each { |application| report.try(application) }
report.print
exit report.success?
