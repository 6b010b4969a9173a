# frozen_string_literal: true

# All Ruby tests: ruby test/ruby/run.rb
require_relative "test_helper"
Dir[File.join(__dir__, "*_test.rb")].sort.each { |file| require file }
