# frozen_string_literal: true

require_relative "runs_python"
require_relative "app_instance_pause_test"

module PhusionPassenger
  # The tests of Ruby's instances, with an instance of Python.
  class PythonPauseTest < AppInstancePauseTest
    prepend RunsPython
  end
end
