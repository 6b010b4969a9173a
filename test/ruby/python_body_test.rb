# frozen_string_literal: true

require_relative "runs_python"
require_relative "app_instance_body_test"

module PhusionPassenger
  # The tests of Ruby's instances, with an instance of Python.
  class PythonBodyTest < AppInstanceBodyTest
    prepend RunsPython
  end
end
