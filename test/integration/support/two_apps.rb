# frozen_string_literal: true

require_relative "command_runner"
require_relative "integration_test"

# For tests of commands: a server with the applications blog.test, of one instance at most, and
# shop.test. Both serve when a test begins.
module TwoApps
  include CommandRunner

  def self.included(test)
    super
    test.serve do |made|
      made.site("blog.test", SampleApps.rack, "PassengerMaxInstances 1\n")
      made.site("shop.test", SampleApps.written(SampleApps.saying("shop")))
    end
  end

  def setup
    %w[blog shop].each { |name| assert_status 200, client("#{name}.test").get("/hello") }
  end
end
