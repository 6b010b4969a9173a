# frozen_string_literal: true

require "open3"
require_relative "runs_python"

module PhusionPassenger
  # Runs the unit tests of the Python code, which Python's own unittest has.
  class PythonUnitsTest < TestCase
    FILES = Dir[File.expand_path("../python/*_test.py", __dir__)].sort
    private_constant :FILES

    FILES.each do |file|
      define_method("test_of_#{File.basename(file, '.py')}") do
        skip "there is no python3 (Debian: apt-get install python3)" unless RunsPython::PYTHON
        text, status = Open3.capture2e(RunsPython::PYTHON, "-B", "-W", "error", file)
        assert status.success?, text
      end
    end
  end
end
