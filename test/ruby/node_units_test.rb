# frozen_string_literal: true

require "open3"
require_relative "runs_node"

module PhusionPassenger
  # Runs the unit tests of the code in JavaScript.
  class NodeUnitsTest < TestCase
    FILES = Dir[File.expand_path("../node/*_test.js", __dir__)].sort
    private_constant :FILES

    FILES.each do |file|
      define_method("test_of_#{File.basename(file, '.js')}") do
        skip "there is no node (Debian: apt-get install nodejs)" unless RunsNode::NODE
        native = RunsNode::NATIVE
        skip "there is no #{native}: build it with Node's headers" unless File.exist?(native)
        text, status = Open3.capture2e("node", file, native)
        assert status.success?, text
      end
    end
  end
end
