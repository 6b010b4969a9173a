# frozen_string_literal: true

require_relative "handler_test_case"

module PhusionPassenger
  # The number of objects that a request allocates. Allocations are most of an instance's work for a
  # small answer.
  class AllocationsTest < HandlerTestCase
    # Two more than Ruby 3.1 with Rack 2.2 allocates for a small answer and nine CGI variables, and
    # one more than Ruby 3.3 with Rack 3. The application's answer, headers and body are three.
    LIMIT = Native::LOADED ? 28 : 50
    FIRST = 20
    LAST = 80

    def test_a_hello_allocates_few_objects
      per_request = allocated_between(FIRST, LAST).fdiv(LAST - FIRST)
      puts format("\n%.1f objects for a hello, %s native code", per_request,
                  Native::LOADED ? "with" : "without")
      # Ruby itself allocates a few in all.
      assert_operator per_request.round, :<=, LIMIT
    end

    private

    # All requests wait in the queue before the instance takes the first, and no other thread runs.
    # The count covers the time between two calls of the application.
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
