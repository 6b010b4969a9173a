# frozen_string_literal: true

require_relative "rack_test_case"

module PhusionPassenger
  class ChunkedDecoderTest < RackTestCase
    CODED = "5\r\nhello\r\n7;x=y\r\n, world\r\n0\r\nTrailer: 1\r\n\r\n"

    def test_the_coding_is_removed
      assert_equal "hello, world", ChunkedDecoder.new.decode(CODED)
    end

    def test_input_may_arrive_in_pieces_of_any_size
      1.upto(CODED.bytesize) do |size|
        decoder = ChunkedDecoder.new
        assert_equal "hello, world",
                     CODED.scan(/.{1,#{size}}/m).map { |piece| decoder.decode(piece) }.join
      end
    end

    def test_bytes_of_any_encoding_pass
      assert_equal "ä\xFF".b, ChunkedDecoder.new.decode("3\r\nä\xFF\r\n0\r\n\r\n")
    end

    def test_malformed_chunks_are_refused
      ["hello", "x\r\n", "\r\n", "-5\r\nhello", "5\r\nhelloX\r\n", "1#{'0' * 15}\r\n",
       "5;#{'x' * 5000}"].each do |coded|
        assert_raises(BadResponse, coded) { ChunkedDecoder.new.decode("#{coded}\n") }
      end
    end

    def test_an_application_may_code_its_body
      body = Body.new(["5\r\nhello\r\n", "0\r\n", "\r\n"])
      calls = call(->(_) { [200, { "Transfer-Encoding" => "chunked", "A" => "1" }, body] }).calls
      assert_equal [[:respond, 200, "A: 1\r\n", "", false], [:data, "hello", false],
                    [:data, "", false], [:data, "", false],
                    [:data, "", true]], calls
      assert_equal 1, body.closed
    end

    def test_an_application_s_chunks_that_end_before_the_last_are_no_whole_answer
      ["5\r\nhello\r\n", "5\r\nhel", "5\r\nhello\r\n0", ""].each do |coded|
        body = Body.new([coded])
        recorder = nil
        log = logged do
          recorder = call(->(_) { [200, { "Transfer-Encoding" => "chunked" }, body] })
        end
        assert_equal [[:abort], 1], [recorder.calls.last, body.closed], coded
        assert_includes log, "before its last chunk"
      end
    end
  end
end
