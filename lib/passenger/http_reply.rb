# frozen_string_literal: true

require_relative "channel"
require_relative "hijacking"
require_relative "log"

module PhusionPassenger
  # The answer to a request of HTTP/1.1 or 1.0, over its connection. What RackAdapter calls a reply; here nothing is between
  # it and the client, so lengths and the body's coding are looked after here, too.
  class HttpReply
    include Hijacking

    # What of the application's header lines matters to us.
    OURS = /^(content-length|connection|date|keep-alive|upgrade): *([^\r]*)\r\n/i.freeze
    LAST_CHUNK = "0\r\n\r\n"
    CLOSE = "Connection: close\r\n"
    KEEP_ALIVE = "Connection: keep-alive\r\n"
    CHUNKED = "Transfer-Encoding: chunked\r\n"
    UPGRADE = "Connection: Upgrade\r\n"
    # Shorter ones go out together with their head.
    JOINED = 65_536
    WITHOUT_BODY = [204, 304].freeze
    private_constant :OURS, :LAST_CHUNK, :CLOSE, :KEEP_ALIVE, :CHUNKED, :UPGRADE, :JOINED, :WITHOUT_BODY

    @status_lines = Hash.new { |lines, status| lines[status] = "HTTP/1.1 #{status} #{phrase(status)}\r\n".b.freeze }

    class << self
      attr_reader :status_lines

      def phrase(status)
        (defined?(::Rack::Utils::HTTP_STATUS_CODES) && ::Rack::Utils::HTTP_STATUS_CODES[status]) || "Unknown"
      end
    end

    # `server` tells the date, and whether the connection should be kept: `date_line` and `keep?`;
    # and it is told when that is the application's: `release`.
    def initialize(connection, server, head_request: false)
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
      out = String.new(HttpReply.status_lines[status], capacity: 512 + head.bytesize, encoding: Encoding::BINARY)
      frame(out, status, head, last ? bytes.bytesize : nil)
      @started = true
      bytes.bytesize < JOINED ? add_body(out, bytes) : send_apart(out, bytes)
      finish if last
    end

    # Further bytes of the body. Nothing to send is no chunk: that would be the end.
    def data(bytes, last: false)
      return if @finished

      unless bytes.empty?
        out = String.new(capacity: bytes.bytesize + 20, encoding: Encoding::BINARY)
        add_body(out, bytes.b)
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
      out = String.new(HttpReply.status_lines[status], encoding: Encoding::BINARY)
      fields = fields_of(head)
      out << head
      out << (status == 101 || fields["upgrade"] ? UPGRADE : CLOSE) unless fields["connection"]
      @connection.write(end_head(out, fields))
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
      fields = {}
      head.scan(OURS) { |name, value| fields[name.downcase] = value }
      fields
    end

    # The head up to the empty line. `length`: of the whole body, where that is known.
    def frame(out, status, head, length)
      fields = fields_of(head)
      @keep &&= @server.keep?
      @keep = false if fields["connection"]&.match?(/close/i)
      head = head.gsub(/^(?:connection|keep-alive):[^\r]*\r\n/i, "") if fields["connection"] || fields["keep-alive"]
      out << head
      add_framing(out, status, fields["content-length"], length)
      @keep ? (out << KEEP_ALIVE unless @modern) : out << CLOSE
      end_head(out, fields)
    end

    def end_head(out, fields)
      out << @server.date_line unless fields["date"]
      out << "\r\n"
    end

    # Always in exactly one way: no body, a length, chunks, or up to the end of the connection.
    def add_framing(out, status, given, length)
      if @head_request || WITHOUT_BODY.include?(status)
        @left = 0
      elsif given
        @left = given.to_i
      elsif length
        @left = length
        out << "Content-Length: " << length.to_s << "\r\n"
      elsif @modern
        @chunked = true
        out << CHUNKED
      else
        @keep = false
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
