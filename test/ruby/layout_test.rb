# frozen_string_literal: true

require_relative "test_helper"

module PhusionPassenger
  # The numbers of doc/PROTOCOLS.md. Whoever changes one changes the version, and Layouts.h.
  class LayoutTest < TestCase
    RECORD = File.expand_path("../layouts/#{Layout::VERSION}", __dir__)

    # What is called otherwise there.
    NAMES = {
      "MESSAGE_LIMIT" => "MAX_MESSAGE",
      "Request::HEADER_LENGTH" => "RequestHeader", "Request::HEAD_LIMIT" => "MAX_ENVIRONMENT",
      "Request::CHANNEL_OFFSET" => "RequestHeader.4", "Request::TICKET_OFFSET" => "RequestHeader.5",
      "Request::BODY_FOLLOWS" => "BODY_FOLLOWS", "Request::STREAM" => "STREAM",
      "Request::HEAD_REQUEST" => "HEAD_REQUEST",
      "Request::BODY_IN_FILE" => "BODY_IN_FILE", "Request::TRANSFERABLE" => "TRANSFERABLE",
      "Request::STREAM_TRANSFERABLE" => "STREAM_TRANSFERABLE",
      "Request::TAKES_FILE" => "TAKES_FILE", "Reply::ANSWER_FILE" => "ANSWER_FILE",
      "Reply::BODY_FILE" => "BODY_FILE",
      "Reply::HEADER_LENGTH" => "MessageHeader", "Reply::HEAD_LIMIT" => "MAX_RESPONSE_HEAD",
      "Reply::STALE_LIMIT" => "MAX_DISCARDED", "Reply::RESPONSE" => "RESPONSE",
      "Reply::DATA" => "DATA",
      "Reply::INTERIM" => "INTERIM", "Reply::SKIPPED" => "SKIPPED", "Reply::ACCEPTED" => "ACCEPTED",
      "Reply::ABORTED" => "ABORTED", "Reply::HIJACKED" => "HIJACKED", "Reply::BODY" => "BODY",
      "Reply::LAST" => "LAST", "Reply::WANTS_CLIENT" => "WANTS_CLIENT",
      "Claims::HEADER_LENGTH" => "MemoryHeader", "Claims::CELL_LENGTH" => "ClaimCell",
      "Claims::ANSWERED_OFFSET" => "ClaimCell.2", "Claims::CELLS" => "Claims.CELLS",
      "Withdrawals::TICKETS_OFFSET" => "SenderMemory.MARKS",
      "Withdrawals::SLOTS" => "SenderMemory.SLOTS"
    }.freeze
    # By the size of a member.
    DIRECTIVES = { 1 => "C", 2 => "v", 4 => "V", 8 => "Q<" }.freeze
    private_constant :RECORD, :NAMES, :DIRECTIVES

    # Frames have a version of their own.
    def test_the_version_of_frames_is_as_documented
      assert_equal "1", Frame::VERSION
    end

    # As FrameTest of the C++ side, by the same file.
    def test_types_of_frames_are_as_recorded_for_their_version
      lines = File.readlines(File.expand_path("../layouts/frames-#{Frame::VERSION}", __dir__))
      recorded = lines.map(&:split).to_h { |name, number| [name, number.to_i] }
      ours = Frame::Spawn.constants.to_h { |name| ["SPAWN_#{name}", Frame::Spawn.const_get(name)] }
      Frame::Control.constants.each { |name| ours[name.to_s] = Frame::Control.const_get(name) }
      assert_equal recorded, ours
    end

    # As ServeTest of the C++ side, by the same file.
    def test_the_order_of_the_fields_of_serve_is_as_recorded
      names = File.readlines(File.expand_path("../layouts/serve-#{Frame::VERSION}", __dir__),
                             chomp: true)
      assert_equal names, Serve.members.map(&:to_s)
      fields = %w[1 2 app 3 4 5 6 1 0]
      assert_equal [1, 2, "app", 3, 4, 5, 6, true, false], Serve.from(Frame.new(55, fields)).to_a
      assert_raises(ProtocolError) { Serve.from(Frame.new(55, fields[0..-2])) }
    end

    # As LayoutsTest of the C++ side, by the same file. Whoever changes a layout raises the version,
    # and records the new one.
    def test_everything_is_as_recorded_for_its_version
      recorded = File.readlines(RECORD, chomp: true).to_h { |line| line.split(" ", 2) }
      numbers, others = constants_of(Layout).partition { |_name, value| value.is_a?(Integer) }
      derived = { "VERSION" => Layout::VERSION, "Reply::PAYLOAD_LIMIT" => 65_576,
                  "Reply::QUEUED_LIMIT" => 0xFFFF_FFFF }
      assert_equal NAMES.transform_values { |name| recorded.fetch(name)[/\d+/].to_i }
                     .merge(derived), numbers.to_h
      assert_equal recorded_formats(recorded), others.to_h
    end

    private

    def constants_of(place, prefix = "")
      place.constants.flat_map do |name|
        value = place.const_get(name)
        if value.is_a?(Module)
          constants_of(value, "#{prefix}#{name}::")
        else
          [["#{prefix}#{name}", value]]
        end
      end
    end

    # What `pack` wants to know, and magic numbers as they stand in the files.
    def recorded_formats(recorded)
      { "Request::HEADER" => format_of(recorded, "RequestHeader"),
        "Reply::HEADER" => format_of(recorded, "MessageHeader"),
        "Reply::FILE_RANGE" => format_of(recorded, "FileRange"),
        "Claims::MAGIC" => [recorded["Claims.MAGIC"].to_i].pack("V"),
        "Withdrawals::MAGIC" => [recorded["SenderMemory.MAGIC"].to_i].pack("V"),
        "TransferAnswer::CLIENT" => [recorded["TransferAnswer.CLIENT"].to_i].pack("C"),
        "TransferAnswer::RELAY" => [recorded["TransferAnswer.RELAY"].to_i].pack("C") }
    end

    # Without gaps.
    def format_of(recorded, struct)
      members = recorded.select { |name, _| name.start_with?("#{struct}.") }
        .values.map { |text| text.split.map(&:to_i) }
      assert_equal members, members.each_with_index.map { |(_, size), index|
        [members.first(index).sum(&:last), size]
      }
      members.map { |_, size| DIRECTIVES.fetch(size) }.join
    end
  end
end
