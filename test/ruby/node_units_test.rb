# frozen_string_literal: true

require "open3"
require_relative "runs_node"

module PhusionPassenger
  # Runs the unit tests of the code in JavaScript.
  class NodeUnitsTest < TestCase
    FILES = Dir[File.expand_path("../node/*_test.js", __dir__)].sort
    LOADER = Dir[File.expand_path("../../lib/passenger/node/*.js", __dir__)].sort
    # Optional chaining and logical operators: Node 12, which Ubuntu 22.04 has, does not read them.
    TOO_NEW = /\?\.[a-z_\[(]|\?\?|(?:\|\||&&)=/i.freeze
    private_constant :FILES, :LOADER, :TOO_NEW

    def test_node_12_can_read_the_loader
      refute_empty LOADER
      assert_empty(LOADER.select { |file| File.read(file).match?(TOO_NEW) })
    end

    FILES.each do |file|
      define_method("test_of_#{File.basename(file, '.js')}") do
        skip "there is no Node 16 or newer" unless RunsNode::NODE
        native = RunsNode::NATIVE
        skip "there is no #{native}: build it with Node's headers" unless File.exist?(native)
        text, status = Open3.capture2e("node", file, native)
        assert status.success?, text
      end
    end
  end
end
