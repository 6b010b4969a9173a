# frozen_string_literal: true

require_relative "test_helper"
require "passenger/http/http_parser"
require "passenger/http/http_request_reader"

module PhusionPassenger
  # Requests from a client's bytes, which come in any pieces.
  class HttpRequestReaderTest < TestCase
    PARSER = HttpParser.load(HttpParser.find)

    def reader
      @reader ||= HttpRequestReader.new({ "rack.test" => 1 }, PARSER.new)
    end

    def head(*lines, target: "/", method: "GET", version: "1.1")
      ["#{method} #{target} HTTP/#{version}", "Host: example.org", *lines, "", ""].join("\r\n").b
    end

    # The environment of a request that comes in one piece.
    def environment(*lines, **options)
      assert reader.take(head(*lines, **options))
      reader.environment
    end

    def refused(bytes)
      error = assert_raises(RefusedRequest) { HttpRequestReader.new({}, PARSER.new).take(bytes.b) }
      [error.status, error.message]
    end

    def test_a_head_makes_an_environment
      env = environment("X-One: 1", "X-One: 2", "Content-Type: text/plain", target: "/a%20b?c=d")
      assert_equal ["GET", "/a%20b", "c=d", "HTTP/1.1", "example.org", "80", "1, 2", "text/plain",
                    1],
                   env.values_at("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "SERVER_PROTOCOL",
                                 "SERVER_NAME", "SERVER_PORT",
                                 "HTTP_X_ONE", "CONTENT_TYPE", "rack.test")
      assert_equal "", reader.input.read
    end

    def test_a_request_may_come_byte_by_byte
      bytes = head("Content-Length: 3", method: "POST") << "abc"
      whole = bytes.each_char.map { |byte| reader.take(byte.dup) }
      assert_equal [true], whole.uniq - [false]
      assert whole.last
      assert_equal "abc", reader.input.read
    end

    def test_requests_may_come_together
      first = head("Content-Length: 2", target: "/1") << "ab"
      assert reader.take(first << head(target: "/2") << "GET /3")
      assert_equal ["/1", "ab"], [reader.environment["PATH_INFO"], reader.input.read]
      reader.begin_next
      assert reader.pending?
      assert reader.take(+"")
      assert_equal ["/2", ""], [reader.environment["PATH_INFO"], reader.input.read]
      reader.begin_next
      refute reader.take(+"")
      refute reader.fresh?
    end

    def test_an_empty_line_before_a_request_is_ignored
      assert reader.take("\r\n".b << head)
    end

    def test_a_chunked_body_is_decoded
      body = "3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\n"
      assert reader.take(head("Transfer-Encoding: chunked") << body << "rest")
      assert_equal ["13", nil],
                   reader.environment.values_at("CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING")
      assert_equal "abc0123456789", reader.input.read
      assert_equal "rest", reader.take_rest
    end

    def test_chunks_may_come_byte_by_byte
      bytes = head("Transfer-Encoding: chunked") << "3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n"
      assert_equal [true], bytes.each_char.map { |byte| reader.take(byte.dup) }.uniq - [false]
      assert_equal "abcd", reader.input.read
    end

    def test_malformed_chunks_are_refused
      ["x\r\n", "\r\n", "3\nabc\r\n", "3\r\nabcd\r\n", "-1\r\n", "0x3\r\n", "#{'f' * 16}\r\n",
       "3;a\nb\r\n", "0\r\nA: b\n\r\n"].each do |chunks|
        assert_equal 400, refused(head("Transfer-Encoding: chunked") << chunks)[0], chunks.inspect
      end
    end

    def test_malformed_chunks_are_refused_in_any_pieces
      [["3\r\nab", "cXX0\r\n\r\n"], ["3\r\nabc\r", "X0\r\n\r\n"],
       ["0\r\n", "XX\n"]].each do |first, second|
        made = HttpRequestReader.new({}, PARSER.new)
        refute made.take(head("Transfer-Encoding: chunked") << first), first.inspect
        assert_raises(RefusedRequest, first.inspect) { made.take(second.b) }
      end
    end

    def test_extensions_and_trailers_of_a_chunked_body_have_a_limit
      extended = "1;#{'x' * 1000}\r\na\r\n"
      made = reader
      assert made.take(head("Transfer-Encoding: chunked") << (extended * 15) << "0\r\n\r\n")
      assert_equal "a" * 15, made.input.read
      ["1;#{'x' * 1000}", "1#{' ' * 1000}"].each do |line|
        assert_equal 400,
                     refused(head("Transfer-Encoding: chunked") << ("#{line}\r\na\r\n" * 17))[0]
      end
      assert_equal 400, refused(head("Transfer-Encoding: chunked") << "0\r\n" <<
                                ("A: #{'x' * 1000}\r\n" * 17))[0]
      assert_equal 400, refused(head("Transfer-Encoding: chunked") << (extended * 9) << "0\r\n" <<
                                ("A: #{'x' * 1000}\r\n" * 9))[0]
    end

    def test_small_bodies_are_in_memory_and_large_ones_in_a_file
      [HttpRequestBody::MEMORY_LIMIT,
       HttpRequestBody::MEMORY_LIMIT + 1].zip([MemoryInput, FileInput]).each do |size, kind|
        made = HttpRequestReader.new({}, PARSER.new)
        assert made.take(head("Content-Length: #{size}") << ("x" * size))
        assert_instance_of kind, made.input
        assert_equal [size, size], [made.input.size, made.input.read.bytesize]
        made.input.rewind
        assert_equal "xxx", made.input.read(3)
        made.release
      end
    end

    def test_a_client_that_expects_100_is_asked_for_the_body_once
      refute reader.take(head("Expect: 100-continue", "Content-Length: 1"))
      assert_equal [true, false], [reader.continue?, reader.continue?]
      assert_equal 417, refused(head("Expect: miracles"))[0]
    end

    def test_version_and_header_decide_whether_a_connection_is_kept
      [[["1.1"], true], [["1.1", "Connection: close"], false],
       [["1.1", "Connection: Upgrade, Close"], false], [["1.0"], false],
       [["1.0", "Connection: Keep-Alive"], true],
       [["1.1", "Connection: x-close"], true]].each do |(version, *lines), kept|
        made = HttpRequestReader.new({}, PARSER.new)
        assert made.take(head(*lines, version: version))
        assert_equal kept, made.keep_alive?, [version, lines].inspect
      end
    end

    def test_ambiguous_requests_are_refused
      [["Content-Length: 1", "Transfer-Encoding: chunked"],
       ["Content-Length: 1", "Content-Length: 2"], ["Content-Length: +1"],
       ["Content-Length: 1, 1"], ["Content-Length: 0x1"], ["Content-Length: -1"],
       ["Content-Length:"]].each do |lines|
        assert_equal 400, refused(head(*lines))[0], lines.inspect
      end
      assert_equal 501, refused(head("Transfer-Encoding: gzip, chunked"))[0]
      assert_equal 400, refused("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n")[0]
    end

    def test_malformed_heads_are_refused_with_a_reason
      ["nonsense\r\n\r\n", "GET /\r\n\r\n", "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
       "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
       "GET / HTTP/1.1\r\nHost: a\0\r\n\r\n", "GET / HTTP/1.1\r\n\r\n",
       "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
       "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
       "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
       "\x16\x03\x01\x02\x00"].each do |bytes|
        status, reason = refused(bytes)
        assert_equal 400, status, bytes.inspect
        refute_empty reason
      end
      assert_equal 505, refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")[0]
    end

    def test_heads_over_a_limit_are_refused
      assert_equal 414, refused(head(target: "/#{'a' * 20_000}"))[0]
      assert_equal 431, refused(head("A: #{'a' * 90_000}"))[0]
      assert_equal [431, "the request's head is longer than 112 KiB"],
                   refused(head(*Array.new(12) { |index| "A#{index}: #{'a' * 10_000}" }))
    end

    def test_a_header_with_an_underscore_cannot_replace_another
      env = environment("X_Forwarded_For: 6.6.6.6", "Content_Length: 5", "Proxy: evil", "X-Good: 1")
      assert_equal [nil, nil, nil, "1"], env.values_at("HTTP_X_FORWARDED_FOR", "CONTENT_LENGTH",
                                                       "HTTP_PROXY", "HTTP_X_GOOD")
      assert_empty(env.keys.select { |name| name.include?(",") })
    end

    def test_the_server_name_is_that_of_the_host_header
      { "a:81" => %w[a 81], "[::1]:3000" => %w[[::1] 3000], "a:" => %w[a 80],
        "[::1]" => %w[[::1] 80] }.each do |host, expected|
        made = HttpRequestReader.new({}, PARSER.new)
        assert made.take("GET / HTTP/1.1\r\nHost: #{host}\r\n\r\n".b)
        assert_equal expected, made.environment.values_at("SERVER_NAME", "SERVER_PORT")
      end
    end

    # A process keeps the readers of connections that have ended.
    def test_nothing_of_a_request_is_kept
      reader = HttpRequestReader.new({}, PARSER.new)
      4.times do |number|
        assert reader.take("GET / HTTP/1.1\r\nHost: #{number}#{'a' * 50_000}\r\n\r\n".b)
        reader.begin_next
      end
      kept = reader.instance_variables.flat_map do |name|
        Array(reader.instance_variable_get(name)).flatten.grep(String)
      end
      assert_operator kept.sum(&:bytesize), :<, 1_000
    end

    def test_an_address_may_have_a_host_in_it
      env = environment(target: "http://other:82/x?y")
      assert_equal %w[/x y other:82 other 82],
                   env.values_at("PATH_INFO", "QUERY_STRING", "HTTP_HOST", "SERVER_NAME",
                                 "SERVER_PORT")
    end
  end
end
