# frozen_string_literal: true

require_relative "test_helper"

module PhusionPassenger
  class ResponseHeadTest < TestCase
    def test_each_header_is_a_line
      assert_equal "Content-Type: text/plain\r\nX-A: 1\r\n",
                   build("Content-Type" => "text/plain", "X-A" => "1")
    end

    def test_newlines_separate_the_values_of_rack_2
      assert_equal "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n", build("Set-Cookie" => "a=1\nb=2")
    end

    def test_arrays_hold_the_values_of_rack_3
      assert_equal "set-cookie: a=1\r\nset-cookie: b=2\r\n", build("set-cookie" => %w[a=1 b=2])
    end

    def test_values_that_are_no_strings_become_strings
      assert_equal "Content-Length: 5\r\nX-Empty: \r\n",
                   build("Content-Length" => 5, "X-Empty" => nil)
    end

    def test_headers_for_the_server_alone_are_left_out
      assert_equal "A: 1\r\n", build("rack.hijack" => ->(_) {}, "A" => "1")
      ["X-Passenger-Request-OOB-Work", "!~Request-OOB-Work", "!~Other", "!~"].each do |name|
        assert_equal "A: 1\r\n", build(name => "true", "A" => "1"), name
      end
      assert_equal "!-A: 1\r\n", build("!-A" => "1")
    end

    def test_bytes_of_any_encoding_pass
      head = build("X-Name" => "Zoë", "X-Raw" => "\xFF".b, "X-Broken" => "\xFF")
      assert_equal "X-Name: Zoë\r\nX-Raw: \xFF\r\nX-Broken: \xFF\r\n".b, head
    end

    def test_carriage_returns_and_zeros_in_values_are_refused
      ["a\rb", "a\r\nSet-Cookie: x", "a\0b", "a\nb\rc"].each do |value|
        error = assert_raises(BadResponse, value.inspect) { build("X-A" => value) }
        assert_includes error.message, "X-A"
      end
      assert_raises(BadResponse) { build("X-A" => ["ok", "not\r\nok"]) }
      assert_raises(BadResponse) { build("X-A" => "a\u0d0ab".encode("UTF-16LE")) }
    end

    def test_names_that_are_no_tokens_are_refused
      ["", "A B", "A:", "A\r\nB", "Ä", "A\0", "A\n"].each do |name|
        assert_raises(BadResponse, name.inspect) { build(name => "1") }
      end
    end

    def test_names_that_an_application_makes_up_are_not_kept_for_ever
      1000.times { |index| assert_equal "X-#{index}: 1\r\n", build("X-#{index}" => "1") }
      assert_operator ResponseHead.instance_variable_get(:@names).size, :<=, 256
    ensure
      # The process keeps checked names: they would leave no room for the names of other tests.
      ResponseHead.instance_variable_get(:@names).clear
    end

    def test_a_head_of_128_kibibytes_is_the_largest
      line = "X: #{'x' * 131_067}\r\n"
      assert_equal line, build("X" => "x" * 131_067)
      error = assert_raises(BadResponse) { build("X" => "x" * 131_068) }
      assert_includes error.message, "131073 bytes"
    end

    def test_headers_may_be_any_list_of_pairs
      assert_equal "A: 1\r\n", ResponseHead.build([%w[A 1]])
    end

    private

    def build(headers)
      ResponseHead.build(headers)
    end
  end
end
