# frozen_string_literal: true

require_relative "test_helper"

module PhusionPassenger
  # The numbers of doc/PROTOCOLS.md. Whoever changes one changes the version, and Layouts.h.
  class LayoutTest < TestCase
    def test_the_request_header_is_as_documented
      assert_equal 32, Array.new(7, 0).pack(Layout::Request::HEADER).bytesize
      assert_equal [8, 16], [Layout::Request::CHANNEL_OFFSET, Layout::Request::TICKET_OFFSET]
      assert_equal [1, 2, 4], [Layout::Request::BODY_FOLLOWS, Layout::Request::STREAM, Layout::Request::HEAD_REQUEST]
      assert_equal 1_048_576, Layout::Request::HEAD_LIMIT
    end

    def test_the_reply_header_is_as_documented
      assert_equal 24, Array.new(7, 0).pack(Layout::Reply::HEADER).bytesize
      types = %i[RESPONSE DATA INTERIM SKIPPED ACCEPTED ABORTED BODY].map { |name| Layout::Reply.const_get(name) }
      assert_equal [1, 2, 3, 4, 5, 6, 32], types
      assert_equal 4_294_967_295, Layout::Reply::QUEUED_LIMIT
      assert_equal [131_072, 65_512, 1_048_576],
                   [Layout::Reply::HEAD_LIMIT, Layout::Reply::PAYLOAD_LIMIT, Layout::Reply::STALE_LIMIT]
    end

    def test_the_memory_files_are_as_documented
      assert_equal [64, 16, 1024], [Layout::Claims::HEADER_LENGTH, Layout::Claims::CELL_LENGTH, Layout::Claims::CELLS]
      assert_equal [16_512, 65_536], [Layout::Marks::TICKETS_OFFSET, Layout::Marks::SLOTS]
    end

    def test_the_version_is_as_documented
      assert_equal [2, "1", 65_536], [Layout::VERSION, Frame::VERSION, Layout::MESSAGE_LIMIT]
    end
  end
end
