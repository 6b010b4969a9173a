# frozen_string_literal: true

require_relative "test_helper"
require "open3"
require "rbconfig"
require "tmpdir"

module PhusionPassenger
  class AnswerFileTest < Minitest::Test
    SOURCE = File.expand_path("../../lib/passenger/rack/answer_file.rb", __dir__)
    private_constant :SOURCE

    # In a mount namespace of its own, which ends with the process.
    def test_a_mount_point_with_any_name_does_not_matter_in_an_ascii_locale
      skip "mounting needs root" unless Process.euid.zero?
      Dir.mktmpdir do |folder|
        output, status = Open3.capture2e({ "LC_ALL" => "C" }, "unshare", "--mount", "sh", "-euc",
                                         script, "sh", folder, RbConfig.ruby, SOURCE)
        skip "no mount namespace: #{output}" if output.include?("unshare: ")
        assert status.success?, output
        assert_equal "true\n", output
      end
    end

    private

    def script
      <<~'SHELL'
        mkdir "$1/é"
        mount -t tmpfs files "$1/é"
        head -c 300000 /dev/zero >"$1/é/long"
        exec "$2" -r "$3" -e "puts PhusionPassenger::AnswerFile.suits?(File.open(ARGV[0]))" \
          "$1/é/long"
      SHELL
    end
  end
end
