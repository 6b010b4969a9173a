# frozen_string_literal: true

require "zlib"

require_relative "support/integration_test"

# Frames of WebSockets (RFC 6455, RFC 7692) and what an ASGI application's server sends back. The
# groups are those of the Autobahn test suite: framing, pings, reserved bits, opcodes, fragments,
# UTF-8, close, limits and compression.
class WebSocketCasesTest < IntegrationTest
  PYTHON = "/usr/bin/python3"
  WSPROTO = system("#{PYTHON} -c 'import wsproto' >/dev/null 2>&1")
  APP = <<~'PYTHON'
    async def application(scope, receive, send):
        if scope["type"] != "websocket":
            raise NotImplementedError(scope["type"])
        await receive()
        await send({"type": "websocket.accept"})
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return
            kind = "bytes" if message.get("text") is None else "text"
            await send({"type": "websocket.send", kind: message[kind]})
  PYTHON
  UPGRADE = { "Connection" => "Upgrade", "Upgrade" => "websocket", "Sec-WebSocket-Version" => "13",
              "Sec-WebSocket-Key" => "dGhlIHNhbXBsZSBub25jZQ==" }.freeze
  CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
  NORMAL, PROTOCOL_ERROR, NOT_UTF8, TOO_LARGE = 1000, 1002, 1007, 1009
  FIN = 0x80
  COMPRESSED = 0x40
  # The end of what a deflater flushes, which a message leaves out (RFC 7692, 7.2.1).
  FLUSHED = "\x00\x00\xff\xff".b

  serve do |made|
    made.site("asgi.test", SampleApps.written(APP, "passenger_asgi.py"),
              "PassengerPython #{PYTHON}\nPassengerMaxInstances 1\n")
  end

  class << self
    # A frame as a client sends it. `first`: the bits FIN and RSV1 to RSV3.
    def frame(opcode, payload = "", first: FIN, size: nil, masked: true)
      payload = payload.b
      mask = masked ? "\x12\x34\x56\x78".b : ""
      head = (first | opcode).chr + length_of(size || payload.bytesize, masked ? 0x80 : 0)
      head + mask + (masked ? xor(payload, mask) : payload)
    end

    def part(opcode, payload = "")
      frame(opcode, payload, first: 0)
    end

    def close(code = NORMAL, reason = "")
      frame(CLOSE, [code].pack("n") + reason.b)
    end

    def echoed(name, opcode, payload)
      define_case(name, [frame(opcode, payload)], [[opcode, payload]])
    end

    # `sent`: frames; `answers`: opcodes and payloads, in order; `code`: of the close that the
    # server sends then. The client of a case without a code closes by itself.
    def define_case(name, sent, answers = [], code: nil, path: "/", slowly: false, &check)
      define_method("test_#{name.gsub(/[^a-z0-9]+/, '_')}") do
        skip "there is no wsproto (Debian: python3-wsproto)" unless WSPROTO
        @raw = server.raw("asgi.test").request("GET", path, upgrade)
        assert_equal 101, @raw.read_head.status
        write(sent, slowly)
        answers.each { |opcode, payload| assert_equal [opcode, payload.b], next_frame }
        instance_exec(&check) if check
        assert_closed(code)
      end
    end

    private

    def length_of(size, mask_bit)
      return (size | mask_bit).chr if size < 126
      return (126 | mask_bit).chr + [size].pack("n") if size < 65_536

      (127 | mask_bit).chr + [size].pack("Q>")
    end

    def xor(payload, mask)
      payload.bytes.each_with_index.map { |byte, index| byte ^ mask.getbyte(index % 4) }.pack("C*")
    end
  end

  SNOWMEN = "\u2603" * 40
  NOT_TEXT = "abc\xed\xa0\x80".b

  # Framing.
  [0, 1, 125, 126, 127, 128, 65_535, 65_536, 300_000].each do |size|
    echoed("text of #{size} bytes", TEXT, "*" * size)
    echoed("binary of #{size} bytes", BINARY, "\xfe".b * size)
  end
  define_case("a frame that comes byte by byte", [frame(TEXT, "slowly")],
              [[TEXT, "slowly"]], slowly: true)
  define_case("a frame without a mask", [frame(TEXT, "open", masked: false)], code: PROTOCOL_ERROR)
  define_case("several messages at once", [frame(TEXT, "a"), frame(BINARY, "b"), frame(TEXT, "c")],
              [[TEXT, "a"], [BINARY, "b"], [TEXT, "c"]])

  # Pings and pongs.
  define_case("an empty ping", [frame(PING)], [[PONG, ""]])
  define_case("a ping of 125 bytes", [frame(PING, "\xff".b * 125)], [[PONG, "\xff".b * 125]])
  define_case("a ping of 126 bytes", [frame(PING, "x" * 126)], code: PROTOCOL_ERROR)
  define_case("ten pings", Array.new(10) { |one| frame(PING, one.to_s) },
              Array.new(10) { |one| [PONG, one.to_s] })
  define_case("a pong that nobody asked for", [frame(PONG, "x"), frame(TEXT, "a")], [[TEXT, "a"]])

  # Reserved bits and opcodes.
  [0x10, 0x20, 0x40, 0x70].each do |bits|
    define_case("reserved bits #{bits.to_s(16)}", [frame(TEXT, "x", first: FIN | bits)],
                code: PROTOCOL_ERROR)
  end
  [3, 4, 5, 6, 7, 11, 12, 13, 14, 15].each do |opcode|
    define_case("opcode #{opcode}", [frame(opcode, "x")], code: PROTOCOL_ERROR)
  end

  # Fragments.
  define_case("a text in two fragments", [part(TEXT, "frag"), frame(CONTINUATION, "ment")],
              [[TEXT, "fragment"]])
  define_case("a text in a hundred fragments",
              [part(TEXT, "0"), *[part(CONTINUATION, "1")] * 98, frame(CONTINUATION, "2")],
              [[TEXT, "0#{'1' * 98}2"]])
  define_case("empty fragments", [part(BINARY), part(CONTINUATION), frame(CONTINUATION)],
              [[BINARY, ""]])
  define_case("a ping between fragments",
              [part(TEXT, "a"), frame(PING, "p"), frame(CONTINUATION, "b")],
              [[PONG, "p"], [TEXT, "ab"]])
  define_case("a ping in fragments", [part(PING, "p"), frame(CONTINUATION, "q")],
              code: PROTOCOL_ERROR)
  define_case("a continuation of nothing", [frame(CONTINUATION, "x")], code: PROTOCOL_ERROR)
  define_case("a text within a text", [part(TEXT, "a"), frame(TEXT, "b")], code: PROTOCOL_ERROR)

  # UTF-8.
  echoed("text that is no ascii", TEXT, "κόσμε \u{10ffff} #{SNOWMEN}")
  define_case("a character in two fragments",
              [part(TEXT, SNOWMEN.b[0, 4]), frame(CONTINUATION, SNOWMEN.b[4..])], [[TEXT, SNOWMEN]])
  define_case("a surrogate", [frame(TEXT, NOT_TEXT)], code: NOT_UTF8)
  define_case("an unfinished character", [frame(TEXT, "abc\xe2\x98".b)], code: NOT_UTF8)
  define_case("a surrogate in a fragment", [part(TEXT, NOT_TEXT)], code: NOT_UTF8)
  define_case("an overlong zero", [frame(TEXT, "\xc0\x80".b)], code: NOT_UTF8)

  # Close.
  define_case("a close without a code", [frame(CLOSE)]) { @closing = "" }
  [*1000..1003, *1007..1011, 3000, 3999, 4000, 4999].each do |code|
    define_case("close #{code}", [close(code)]) { @closing = [code].pack("n") }
  end
  [0, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999].each do |code|
    define_case("close by the forbidden code #{code}", [close(code)], code: PROTOCOL_ERROR)
  end
  define_case("a close of one byte", [frame(CLOSE, "\x03")], code: PROTOCOL_ERROR)
  define_case("a close with a reason of 123 bytes", [close(NORMAL, "r" * 123)]) { @closing = true }
  define_case("a close with 126 bytes", [frame(CLOSE, [1000].pack("n") + "r" * 124)],
              code: PROTOCOL_ERROR)
  define_case("a close with a reason that is no text", [close(NORMAL, NOT_TEXT)], code: NOT_UTF8)
  define_case("messages after the close are not answered",
              [close(NORMAL), frame(TEXT, "late"), frame(PING, "late")]) { @closing = true }

  # Limits.
  define_case("a message above sixteen megabytes",
              Array.new(18) { |one| part(one.zero? ? BINARY : CONTINUATION, "\0" * 1_048_576) },
              code: TOO_LARGE)

  def test_compressed_messages_are_answered_compressed
    skip "there is no wsproto (Debian: python3-wsproto)" unless WSPROTO
    @raw = server.raw("asgi.test").request("GET", "/", upgrade(
      "Sec-WebSocket-Extensions" => "permessage-deflate; client_no_context_takeover"))
    assert_includes @raw.read_head["Sec-WebSocket-Extensions"], "permessage-deflate"
    inflater = Zlib::Inflate.new(-Zlib::MAX_WBITS)
    3.times do |number|
      text = "#{number} #{'again and ' * 500}"
      write([self.class.frame(TEXT, deflated(text), first: FIN | COMPRESSED)])
      first, payload = next_raw_frame
      assert_equal FIN | COMPRESSED | TEXT, first
      assert_operator payload.bytesize, :<, text.bytesize / 10
      assert_equal text, inflater.inflate(payload + FLUSHED)
    end
    write([self.class.frame(TEXT, "plain")])
    assert_equal FIN, next_raw_frame.first & FIN
    assert_closed(nil)
  end

  def test_data_that_cannot_be_decompressed_close_the_connection
    skip "there is no wsproto (Debian: python3-wsproto)" unless WSPROTO
    @raw = server.raw("asgi.test").request("GET", "/", upgrade(
      "Sec-WebSocket-Extensions" => "permessage-deflate"))
    @raw.read_head
    write([self.class.frame(TEXT, "\xff\xff\xff\xff".b, first: FIN | COMPRESSED)])
    assert_equal CLOSE, next_frame.first
  end

  def teardown
    @raw&.close
  end

  private

  def upgrade(more = {})
    UPGRADE.merge(more)
  end

  # A server that has closed the connection takes no more of it.
  def write(frames, slowly = false)
    bytes = frames.join
    slowly ? bytes.each_char { |byte| @raw.write(byte) } : @raw.write(bytes)
  rescue Errno::EPIPE, Errno::ECONNRESET
    nil
  end

  # The first byte and the payload of the server's next frame.
  def next_raw_frame
    first, length = @raw.read_bytes(2).bytes
    assert_equal 0, length & 0x80, "the server masks its frames"
    length = case length
             when 126 then @raw.read_bytes(2).unpack1("n")
             when 127 then @raw.read_bytes(8).unpack1("Q>")
             else length
             end
    [first, length.zero? ? "".b : @raw.read_bytes(length)]
  end

  def next_frame
    first, payload = next_raw_frame
    assert_equal FIN, first & 0xf0, "FIN alone is set"
    [first & 0x0f, payload]
  end

  # The server closes by this code, or answers the client's close; then the connection ends.
  def assert_closed(code)
    write([self.class.close]) unless code || @closing
    opcode, payload = next_frame
    assert_equal CLOSE, opcode
    if code
      assert_equal code, payload.unpack1("n")
    elsif @closing.is_a?(String)
      assert_equal @closing, payload
    end
    assert_predicate @raw, :ended?
  rescue Errno::ECONNRESET
    raise unless opcode == CLOSE # The client's last frames were not read.
  end

  def deflated(text)
    deflater = Zlib::Deflate.new(Zlib::DEFAULT_COMPRESSION, -Zlib::MAX_WBITS)
    deflater.deflate(text, Zlib::SYNC_FLUSH).delete_suffix(FLUSHED)
  ensure
    deflater&.close
  end
end
