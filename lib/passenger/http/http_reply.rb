# frozen_string_literal: true

require_relative "../wire/channel"
require_relative "../rack/hijacking"
require_relative "../base/log"

module PhusionPassenger
  # The answer to a request of HTTP/1.1 or 1.0, over its connection. What RackAdapter calls a reply; here nothing is between
  # it and the client, so lengths and the body's coding are looked after here, too.
  class HttpReply
    include Hijacking

    # Which of the application's header lines matter to us: one that most answers have, and others.
    LENGTH = /^content-length: *([^\r]*)\r\n/i.freeze
    SPECIAL = /^(connection|date|keep-alive|upgrade): *([^\r]*)\r\n/i.freeze
    NOTHING_SPECIAL = {}.freeze
    LAST_CHUNK = "0\r\n\r\n"
    CLOSE = "Connection: close\r\n"
    KEEP_ALIVE = "Connection: keep-alive\r\n"
    CHUNKED = "Transfer-Encoding: chunked\r\n"
    UPGRADE = "Connection: Upgrade\r\n"
    # Shorter ones go out together with their head.
    JOINED = 65_536
    WITHOUT_BODY = [204, 304].freeze
    private_constant :LENGTH, :SPECIAL, :NOTHING_SPECIAL, :LAST_CHUNK, :CLOSE, :KEEP_ALIVE, :CHUNKED, :UPGRADE, :JOINED, :WITHOUT_BODY

    @status_lines = Hash.new { |lines, status| lines[status] = "HTTP/1.1 #{status} #{phrase(status)}\r\n".b.freeze }

    class << self
      attr_reader :status_lines

      def phrase(status)
        (defined?(::Rack::Utils::HTTP_STATUS_CODES) && ::Rack::Utils::HTTP_STATUS_CODES[status]) || "Unknown"
      end
    end

    # `server` tells the date, and whether the connection should be kept: `date_line` and `keep?`;
    # and it is told when that is the application's: `release`.
    def initialize(connection, server, head_request)
      @connection = connection
      @server = server
      @modern = connection.reader.modern?
      @keep = connection.reader.keep_alive?
      @head_request = head_request
      @started = @finished = @hijacked = @broken = @chunked = false
      @left = nil
      @environment = nil
    end

    def started?
      @started
    end

    def finished?
      @finished
    end

    # The connection is the application's.
    def hijacked?
      @hijacked
    end

    # The next request may come, once this answer is finished.
    def keep?
      @keep
    end

    # The answer is not what it should be: the client has to see that.
    def broken?
      @broken
    end

    # Status, header lines, and the first bytes of the body.
    def respond(status, head, bytes = "", last: false)
      bytes = bytes.b unless bytes.encoding == Encoding::BINARY || bytes.ascii_only?
      out = framed(status, head, last ? bytes.bytesize : nil)
      @started = true
      bytes.bytesize < JOINED ? add_body(out, bytes) : send_apart(out, bytes)
      finish if last
    end

    # Further bytes of the body. Nothing to send is no chunk: that would be the end.
    def data(bytes, last: false)
      return if @finished

      unless bytes.empty?
        add_body(String.new, bytes.b)
      end
      finish if last
    end

    # The body has ended.
    def finish
      return if @finished

      @finished = true
      return fall_short if @left&.positive?

      @connection.write(LAST_CHUNK) if @chunked
    end

    # The application failed after its head was sent.
    def abort
      @finished = @broken = true
      @keep = false
    end

    # An answer before the answer: 1xx.
    def interim(status, head)
      @connection.write("#{HttpReply.status_lines[status]}#{head}\r\n") unless @started || !@modern
    end

    # A hijack after this head. The body is the application's, and ends with the connection.
    def respond_and_hijack(status, head)
      fields = fields_of(head)
      kind = status == 101 || fields["upgrade"] ? UPGRADE : CLOSE
      @connection.write(head_of(status, fields, head, (kind unless fields["connection"])))
      take_over
    end

    private

    def take_over
      @started = @finished = @hijacked = true
      @keep = false
      @server.release(@connection)
      @connection.hand_over
    end

    def fields_of(head)
      return NOTHING_SPECIAL unless SPECIAL.match?(head)

      head.scan(SPECIAL).to_h { |name, value| [name.downcase, value] }
    end

    # The whole head. `length`: of the whole body, where that is known.
    def framed(status, head, length)
      fields = fields_of(head)
      @keep &&= @server.keep?
      @keep = false if fields["connection"]&.match?(/close/i)
      head = head.gsub(/^(?:connection|keep-alive):[^\r]*\r\n/i, "") if fields["connection"] || fields["keep-alive"]
      framing = choose_framing(status, head[LENGTH, 1], length)
      head_of(status, fields, head, framing, @keep ? (KEEP_ALIVE unless @modern) : CLOSE)
    end

    # Our lines are put between its and the end.
    def head_of(status, fields, head, first, second = nil)
      "#{HttpReply.status_lines[status]}#{head}#{first}#{second}#{@server.date_line unless fields['date']}\r\n"
    end

    # Always in exactly one way: no body, a length, chunks, or up to the end of the connection. Returns the line that tells it, if there has to be one.
    def choose_framing(status, given, length)
      if @head_request || WITHOUT_BODY.include?(status)
        @left = 0
        nil
      elsif given
        @left = given.to_i
        nil
      elsif length
        @left = length
        "Content-Length: #{length}\r\n"
      elsif @modern
        @chunked = true
        CHUNKED
      else
        @keep = false
        nil
      end
    end

    # A body that is longer than its Content-Length would be taken for the next answer.
    def add_body(out, bytes)
      return out.empty? ? nil : @connection.write(out) if bytes.empty?

      if @chunked
        out << bytes.bytesize.to_s(16) << "\r\n" << bytes << "\r\n"
      else
        out << within_length(bytes)
      end
      @connection.write(out) unless out.empty?
    end

    def send_apart(out, bytes)
      return add_body(out, bytes) if @chunked

      @connection.write(out)
      @connection.write(within_length(bytes))
    end

    def within_length(bytes)
      return bytes unless @left

      part = bytes.bytesize > @left ? bytes.byteslice(0, @left) : bytes
      note_surplus if part.bytesize < bytes.bytesize
      @left -= part.bytesize
      part
    end

    def note_surplus
      return if @head_request || @noted

      @noted = true
      Log.event("response.too_long", reason: "its body is longer than its Content-Length; the rest was left out")
    end

    def fall_short
      Log.event("response.too_short", reason: "its body is #{@left} bytes shorter than its Content-Length")
      abort
    end
  end
end
