# frozen_string_literal: true

require_relative "runs_python"
require_relative "app_instance_own_queue_test"

module PhusionPassenger
  # The tests of Ruby's instances, with an instance of Python.
  class PythonOwnQueueTest < AppInstanceOwnQueueTest
    prepend RunsPython
  end
end
