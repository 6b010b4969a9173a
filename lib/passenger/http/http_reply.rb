# frozen_string_literal: true

require_relative "../wire/channel"
require_relative "../rack/hijacking"
require_relative "../base/log"

module PhusionPassenger
  # The answer to a request of HTTP/1.1 or 1.0, as RackAdapter uses it. It writes to the connection
  # itself, so it also decides on lengths and the coding of the body.
  class HttpReply
    include Hijacking

    # The application's header lines that matter here: one of most answers, and others.
    LENGTH = /^content-length: *([^\r]*)\r\n/i.freeze
    SPECIAL = /^(connection|date|keep-alive|upgrade): *([^\r]*)\r\n/i.freeze
    HOP_BY_HOP = /^(?:connection|keep-alive):[^\r]*\r\n/i.freeze
    NOTHING_SPECIAL = {}.freeze
    LAST_CHUNK = "0\r\n\r\n"
    CLOSE = "Connection: close\r\n"
    KEEP_ALIVE = "Connection: keep-alive\r\n"
    CHUNKED = "Transfer-Encoding: chunked\r\n"
    UPGRADE = "Connection: Upgrade\r\n"
    # Shorter bodies are sent together with their head.
    JOINED = 65_536
    WITHOUT_BODY = [204, 304].freeze
    private_constant :LENGTH, :SPECIAL, :HOP_BY_HOP, :NOTHING_SPECIAL, :LAST_CHUNK, :CLOSE,
                     :KEEP_ALIVE, :CHUNKED, :UPGRADE, :JOINED, :WITHOUT_BODY

    @status_lines = Hash.new do |lines, status|
      lines[status] = "HTTP/1.1 #{status} #{phrase(status)}\r\n".b.freeze
    end

    class << self
      attr_reader :status_lines

      def phrase(status)
        known = ::Rack::Utils::HTTP_STATUS_CODES if defined?(::Rack::Utils::HTTP_STATUS_CODES)
        known&.[](status) || "Unknown"
      end
    end

    # `server` has `keep?` (whether to keep the connection), `date_line`, and `release`, which is
    # called when the connection becomes the application's.
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

    # Whether the connection is the application's.
    def hijacked?
      @hijacked
    end

    # Whether the next request may follow this answer.
    def keep?
      @keep
    end

    # Whether the answer is incomplete, so that the client has to notice it.
    def broken?
      @broken
    end

    # There is no httpd.
    def takes_file?
      false
    end

    # Sends the status, header lines, and the first bytes of the body.
    def respond(status, head, bytes = "", last: false)
      bytes = bytes.b unless bytes.encoding == Encoding::BINARY || bytes.ascii_only?
      out = framed(status, head, last ? bytes.bytesize : nil)
      @started = true
      bytes.bytesize < JOINED ? add_body(out, bytes) : send_apart(out, bytes)
      finish if last
    end

    # Sends further bytes of the body. An empty chunk would be the end, so empty bytes are not sent.
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

    # Raises ClientGone if the client has left.
    def check_client
      @connection.check
    end

    # The application failed after the head was sent.
    def abort
      @finished = @broken = true
      @keep = false
    end

    # Sends an interim answer: 1xx.
    def interim(status, head)
      @connection.write("#{HttpReply.status_lines[status]}#{head}\r\n") unless @started || !@modern
    end

    # Sends the head. Then the connection is the application's, which sends the body and ends it.
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

    # The whole head. `length`: the length of the whole body, if it is known.
    def framed(status, head, length)
      fields = fields_of(head)
      @keep &&= @server.keep?
      @keep = false if fields["connection"]&.match?(/close/i)
      head = head.gsub(HOP_BY_HOP, "") if fields["connection"] || fields["keep-alive"]
      framing = choose_framing(status, head[LENGTH, 1], length)
      head_of(status, fields, head, framing, @keep ? (KEEP_ALIVE unless @modern) : CLOSE)
    end

    # Adds our lines between the application's lines and the end.
    def head_of(status, fields, head, first, second = nil)
      date = @server.date_line unless fields["date"]
      "#{HttpReply.status_lines[status]}#{head}#{first}#{second}#{date}\r\n"
    end

    # Decides how the body ends, in exactly one way: no body, a length, chunks, or the end of the
    # connection. Returns the header line for it, if one is necessary.
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

    # The client would take more bytes than the Content-Length for the next answer.
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
      Log.event("response.too_long",
                reason: "the body is longer than its Content-Length; the rest was left out")
    end

    def fall_short
      Log.event("response.too_short",
                reason: "the body is #{@left} bytes shorter than its Content-Length")
      abort
    end
  end
end
