# frozen_string_literal: true

require_relative "handler_test_case"

module PhusionPassenger
  # How many objects a request costs: they are most of what an instance does for a small answer.
  class AllocationsTest < HandlerTestCase
    # Two more than were counted with Ruby 3.1 and Rack 2.2, for a hello with nine variables of CGI. The application's own answer, its headers and
    # its body are three of them.
    LIMIT = Native::LOADED ? 28 : 42
    FIRST = 20
    LAST = 80

    def test_a_hello_allocates_few_objects
      per_request = allocated_between(FIRST, LAST).fdiv(LAST - FIRST)
      puts format("\n%.1f objects for a hello, %s native code", per_request, Native::LOADED ? "with" : "without")
      assert_operator per_request, :<=, LIMIT
    end

    private

    # All requests wait in the queue before the first is taken, and no other thread runs. What is counted lies between two calls of the
    # application.
    def allocated_between(first, last)
      counts = Array.new(last + 1)
      calls = 0
      app = lambda do |env|
        counts[calls] = GC.stat(:total_allocated_objects)
        calls += 1
        HELLO.call(env)
      end
      serve(app) { (last + 1).times { |index| @group.send(channel: 7, ticket: index + 1) } }
      assert_equal last + 1, calls
      counts[last] - counts[first]
    end
  end
end
