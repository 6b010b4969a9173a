# frozen_string_literal: true

require "minitest/mock"
require_relative "test_helper"

module PhusionPassenger
  class LogTest < TestCase
    def test_a_line_has_an_event_and_its_fields
      line = logged { Log.event("request.failed", path: "/a b", status: 500) }
      assert_equal %(event=request.failed path="/a b" status=500\n), line
    end

    def test_the_application_is_in_each_line_once_it_is_known
      Log.app = "/srv/blog (production)"
      assert_equal %(event=x app="/srv/blog (production)"\n), logged { Log.event("x") }
    end

    def test_newlines_and_other_bytes_cannot_make_a_line_look_like_two
      line = logged { Log.event("x", value: "a\nevent=y \"\xFF\e") }
      assert_equal 1, line.lines.size
      assert line.ascii_only?
    end

    def test_ten_complaints_are_written_in_ten_seconds_and_the_next_one_counts_the_rest
      limit = Log::Limit.new
      assert_equal [0] * 10 + [nil] * 5, Array.new(15) { limit.allow(100) }
      assert_equal [nil, 6, 0], [109.9, 110, 111].map { |now| limit.allow(now) }
      text = logged do
        Process.stub(:clock_gettime, 100) do
          200.times { Log.complaint("request.malformed", bytes: 3) }
        end
      end
      lines = text.lines
      assert_operator lines.size, :<=, 10
    end

    def test_an_exception_is_logged_with_its_causes
      text = logged { Log.exception("x", nested_error) }
      head = /\Aevent=x exception="RuntimeError" message="outer"\n/
      assert_match(/#{head}RuntimeError: outer\n    from /, text)
      assert_match(/^Caused by: KeyError: inner\n    from /, text)
    end

    def test_a_message_that_raises_is_no_obstacle
      error = RuntimeError.new
      def error.message
        raise "no"
      end
      assert_includes logged { Log.exception("x", error) }, "(no message: RuntimeError)"
    end

    def test_bytes_of_any_encoding_pass
      assert_includes logged { Log.exception("x", RuntimeError.new("ä\xFF")) }.b, "ä\xFF".b
    end

    def test_a_standard_error_with_an_encoding_gets_the_bytes
      text = in_child do
        $stderr.set_encoding("UTF-8", "UTF-8")
        Log.exception("x", RuntimeError.new("Gr\u00FC\u00DFe"))
      end
      assert_includes text.b, "Gr\u00FC\u00DFe".b
    end

    def test_a_log_that_cannot_be_written_is_no_error
      before = $stderr
      reader, $stderr = IO.pipe.each { |io| closing(io) }
      reader.close
      $stderr.sync = true
      Log.event("x")
    ensure
      $stderr = before
    end

    private

    # Returns what the block writes to the standard error of a process of its own.
    def in_child
      reader, writer = IO.pipe
      pid = fork do
        STDERR.reopen(writer)
        yield
        exit!
      end
      writer.close
      reader.read
    ensure
      reader.close
      Process.wait(pid)
    end

    def nested_error
      begin
        raise KeyError, "inner"
      rescue KeyError
        raise "outer"
      end
    rescue RuntimeError => e
      e
    end
  end
end
