# frozen_string_literal: true

require_relative "test_helper"

module PhusionPassenger
  class FrameTest < TestCase
    def test_a_frame_is_a_header_and_fields_with_their_lengths
      assert_equal "\x08\0\0\0\x30\0\0\0\x04\0\0\x001234".b, Frame.new(48, ["1234"]).encode
    end

    def test_a_frame_without_fields_is_its_header
      assert_equal "\0\0\0\0\x33\0\0\0".b, Frame.new(51).encode
    end

    def test_the_number_of_descriptors_stands_in_the_header
      assert_equal "\0\0\0\0\x35\0\x02\0".b, Frame.new(53, [], [$stdin, $stdout]).encode
    end

    def test_numbers_are_decimal_text
      assert_equal "\x06\0\0\0\x39\0\0\0\x02\0\0\x0042".b, Frame.new(57, [42]).encode
    end

    def test_fields_may_hold_any_bytes
      fields = ["\0\xFF\n".b, "", "ä".b]
      bytes = Frame.new(49, fields).encode
      assert_equal fields, Frame.decode_fields(bytes.byteslice(8, bytes.bytesize))
    end

    def test_a_frame_of_one_mebibyte_is_allowed_and_one_more_byte_is_not
      assert_equal 1_048_576 + 8, Frame.new(49, ["x" * (1_048_576 - 4)]).encode.bytesize
      assert_raises(ProtocolError) { Frame.new(49, ["x" * (1_048_576 - 3)]).encode }
    end

    def test_65535_fields_are_allowed_and_one_more_is_not
      bytes = Frame.new(49, [""] * 65_535).encode.byteslice(8..)
      assert_equal 65_535, Frame.decode_fields(bytes).size
      assert_raises(ProtocolError) { Frame.new(49, [""] * 65_536).encode }
      assert_raises(ProtocolError) { Frame.decode_fields("\0\0\0\0" * 65_536) }
    end

    def test_sixteen_descriptors_are_allowed_and_one_more_is_not
      assert_equal 8, Frame.new(49, [], [$stdin] * 16).encode.bytesize
      assert_raises(ProtocolError) { Frame.new(49, [], [$stdin] * 17).encode }
    end

    def test_a_field_that_reaches_beyond_its_frame_is_refused
      assert_raises(ProtocolError) { Frame.decode_fields("\x05\0\0\0abcd".b) }
      assert_raises(ProtocolError) { Frame.decode_fields("\xFF\xFF\xFF\xFFabcd".b) }
    end

    def test_a_length_that_is_cut_off_is_refused
      assert_raises(ProtocolError) { Frame.decode_fields("\x01\0\0\0a\x01\0".b) }
    end

    def test_a_map_is_names_and_values_from_a_field_on
      assert_equal({ "a" => "1", "b" => "2" }, Frame.new(49, %w[a 1 b 2]).map)
      assert_equal({ "b" => "2" }, Frame.new(33, %w[x y b 2]).map(2))
      assert_equal({}, Frame.new(33, %w[x y]).map(2))
    end

    def test_a_map_with_a_name_and_no_value_is_refused
      assert_raises(ProtocolError) { Frame.new(49, %w[a 1 b]).map }
    end

    def test_a_number_is_digits_and_nothing_else
      assert_equal 18_446_744_073_709_551_615, Frame.new(58, ["18446744073709551615"]).number(0)
      ["", "-1", "1x", " 1", "1\n", "1" * 21].each do |text|
        assert_raises(ProtocolError, text.inspect) { Frame.new(58, [text]).number(0) }
      end
      assert_raises(ProtocolError) { Frame.new(58).number(0) }
    end

    def test_descriptors_of_a_wrong_number_are_closed
      reader, writer = IO.pipe.each { |io| closing(io) }
      assert_raises(ProtocolError) { Frame.new(53, [], [reader, writer]).take_descriptors(1) }
      assert_predicate reader, :closed?
      assert_predicate writer, :closed?
    end
  end
end
