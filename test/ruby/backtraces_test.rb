# frozen_string_literal: true

require_relative "test_helper"

module PhusionPassenger
  class BacktracesTest < TestCase
    def test_names_of_different_encodings_are_told_as_bytes
      names = ["Fäden", "Fäden".encode("ISO-8859-1")]
      threads = names.map { |name| Thread.new { sleep }.tap { |thread| thread.name = name } }
      text = Backtraces.text
      names.each do |name|
        assert_includes text, "Thread ".b << name.b << " of process #{Process.pid}:\n"
      end
    ensure
      threads&.each { |thread| thread.kill.join }
    end

    def test_a_text_that_is_too_long_keeps_the_main_thread
      threads = Array.new(3) { Thread.new { deep(2_000) } }
      eventually("deep threads") { threads.all?(&:stop?) }
      text = Backtraces.text
      assert_equal Backtraces::MOST, text.bytesize
      assert_includes text, "Thread main of process #{Process.pid}:\n    "
    ensure
      threads&.each { |thread| thread.kill.join }
    end

    private

    def deep(left)
      left.zero? ? sleep : deep(left - 1)
    end
  end
end
