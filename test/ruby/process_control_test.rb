# frozen_string_literal: true

require_relative "test_helper"
require "rbconfig"
require "tempfile"
require "tmpdir"
require_relative "../../lib/passenger/spawn/process_control"

module PhusionPassenger
  class ProcessControlTest < Minitest::Test
    FILE = File.expand_path("../../lib/passenger/spawn/process_control.rb", __dir__)

    # Instead of oom_score_adj: only CAP_SYS_RESOURCE may make a process's own one negative.
    def test_the_protection_from_a_shortage_of_memory_ends
      { "-900\n" => "0", "0\n" => "0\n", "300\n" => "300\n" }.each do |inherited, own|
        Tempfile.create do |file|
          File.write(file.path, inherited)
          ProcessControl.end_memory_protection(file.path)
          assert_equal own, File.read(file.path)
        end
      end
    end

    # As in Ruby 3.5 and later. The spawn server runs without RubyGems.
    def test_fiddle_may_be_a_gem
      Dir.mktmpdir do |folder|
        File.write("#{folder}/fiddle.rb", "raise LoadError unless defined?(Gem::VERSION)\nputs :ok")
        assert_equal "ok\n", IO.popen([RbConfig.ruby, "--disable=gems", "-I", folder, FILE], &:read)
      end
    end

    def test_a_process_without_proc_has_no_protection_to_end
      assert_nil ProcessControl.end_memory_protection("/missing/oom_score_adj")
    end
  end
end
