# frozen_string_literal: true

require_relative "process_test_case"

module PhusionPassenger
  # The order of events when an instance begins to serve.
  class AppInstanceBeginTest < ProcessTestCase
    def test_an_instance_reports_that_it_is_ready_before_it_can_take_a_request
      instance = loaded("instance", "shows_ready.ru")
      group = closing(Peers::Group.new)
      group.send(channel: 5, ticket: 1)
      serve(instance, group: group)
      assert_equal [57, ["5"]], instance.read.then { |frame| [frame.type, frame.fields] }
      instance.control.close
      assert_includes output_of(instance), "threads at READY: 1\n"
    end
  end
end
