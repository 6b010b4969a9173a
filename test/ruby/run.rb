# frozen_string_literal: true

# Runs all Ruby tests, or the files with TEST in their name: TEST=request_handler ruby
# test/ruby/run.rb
require_relative "test_helper"
files = Dir[File.join(__dir__, "*_test.rb")].sort.select do |file|
  File.basename(file).include?(ENV.fetch("TEST", ""))
end
# What these test is the same with and without native code, so the other run has tested it. A Node
# instance takes requests by its addon alone.
SAME = /\A(account|app_loader|boot_keeper|fork_guard|heap_room|node_\w+|pre_start|process_control|
           python_loader|release|shared_heap|signals|spawn_server)_test\.rb\z/x.freeze
if ENV["PASSENGER_NATIVE"] == "off" && ENV.fetch("TEST", "").empty?
  files.reject! { |file| SAME.match?(File.basename(file)) }
end
abort "#{$PROGRAM_NAME}: no file has #{ENV.fetch('TEST')} in its name" if files.empty?
files.each { |file| require file }
