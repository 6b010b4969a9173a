# frozen_string_literal: true

require_relative "http_request_body"
require_relative "../rack/input"

module PhusionPassenger
  # Makes requests out of a connection's bytes, one after the other: a Rack environment and a
  # complete body. Puma's parser reads heads and limits them (each element, and 112 KiB in all).
  # Bytes after a request are kept for the next one.
  class HttpRequestReader
    VERSION = /\AHTTP\/1\.\d\z/.freeze
    HOST = /\A(\[[\h:.]+\]|[^:\s,\/?#@\[\]]*)(?::(\d{0,5}))?\z/.freeze
    ABSOLUTE = %r{\Ahttps?://([^/?#]+)(/[^?#]*)?(?:\?([^#]*))?}i.freeze
    LENGTH = /\A\d{1,18}\z/.freeze
    CLOSE = /(\A|[\s,])close([\s,]|\z)/i.freeze
    KEEP_ALIVE = /(\A|[\s,])keep-alive([\s,]|\z)/i.freeze
    # The parser's elements of a request's address.
    ADDRESS = %w[REQUEST_URI REQUEST_PATH QUERY_STRING FRAGMENT].freeze
    NO_BYTES = "".b.freeze
    private_constant :VERSION, :HOST, :ABSOLUTE, :LENGTH, :CLOSE, :KEEP_ALIVE, :ADDRESS, :NO_BYTES

    attr_reader :environment, :input

    # `template`: the variables of all environments. `parser`: a Puma::HttpParser for this reader.
    def initialize(template, parser)
      @template = template
      @parser = parser
      @bytes = String.new
      begin_next
    end

    # Forgets the request; the next one begins.
    def begin_next
      @parser.reset
      @parsed = 0
      @environment = @input = @body = nil
      @head_whole = @continue = false
    end

    # Whether nothing of a request has come.
    def fresh?
      @environment.nil? && @bytes.empty?
    end

    # Whether bytes of the next request have come.
    def pending?
      @environment.nil? && !@bytes.empty?
    end

    # Reads bytes, which may be empty. True: the request is complete. Raises RefusedRequest; then
    # the reader reads no more.
    def take(bytes)
      @bytes.empty? ? @bytes = bytes : @bytes << bytes
      return false unless @head_whole || read_head

      take_body
    end

    # Whether the client waits for a 100 Continue. True at most once for a request.
    def continue?
      @continue.tap { @continue = false }
    end

    # Whether the client speaks HTTP/1.1, with chunks and interim answers.
    def modern?
      @modern
    end

    # Whether the client wants to send further requests.
    def keep_alive?
      wish = @environment["HTTP_CONNECTION"] or return @modern
      return false if wish == "close"

      @modern ? !wish.match?(CLOSE) : wish.match?(KEEP_ALIVE)
    end

    # Removes and returns the bytes after the request.
    def take_rest
      rest = @bytes
      @bytes = String.new
      rest
    end

    # The connection has ended.
    def release
      @body&.release
      @input&.release
    end

    # Prepares the reader for another connection. Returns itself.
    def start_over
      @bytes.clear
      begin_next if @environment
      self
    end

    private

    def read_head
      @bytes.slice!(0, 2) if @environment.nil? && @bytes.start_with?("\r\n")
      return false if @bytes.empty?

      @environment ||= @template.dup
      @parsed = @parser.execute(@environment, @bytes, @parsed)
      return false unless @parser.finished?

      @head_whole = true
      end_head
    rescue ::Puma::HttpParserError => e
      raise refused(e.message)
    end

    def refused(message)
      unless message.include?("longer than")
        return RefusedRequest.new(400, "the request is not HTTP/1.1")
      end

      case message[/element (\w+)/, 1]
      when *ADDRESS then RefusedRequest.new(414, "the request's address is too long")
      when "HEADER" then RefusedRequest.new(431, "the request's head is longer than 112 KiB")
      else RefusedRequest.new(431, "a header of the request is too long")
      end
    end

    def end_head
      underscores = @bytes.rindex("_", @parsed)
      @parsed == @bytes.bytesize ? @bytes.clear : @bytes.slice!(0, @parsed)
      # Puma marks an underscore in a name so. Such a header could replace another one that a proxy
      # in front has checked.
      @environment.delete_if { |name, _| name.include?(",") } if underscores
      @environment.delete("HTTP_PROXY")
      check_protocol
      place
      name_server
      begin_body
    end

    def check_protocol
      protocol = @environment["HTTP_VERSION"] || @environment["SERVER_PROTOCOL"]
      unless VERSION.match?(protocol)
        raise RefusedRequest.new(505, "#{protocol} is not supported; use HTTP/1.1")
      end

      @modern = protocol != "HTTP/1.0"
      @environment["SERVER_PROTOCOL"] = @environment["HTTP_VERSION"] = protocol
    end

    def place
      path = @environment["REQUEST_PATH"] || other_target
      @environment["PATH_INFO"] = path
      @environment["QUERY_STRING"] ||= +""
    end

    # An address with a host, as for a proxy, or a star.
    def other_target
      target = @environment["REQUEST_URI"]
      return target if target == "*" && @environment["REQUEST_METHOD"] == "OPTIONS"

      host, path, query = ABSOLUTE.match(target)&.captures
      unless host
        raise RefusedRequest.new(400, "the request's address is neither a path nor a URL")
      end

      @environment["HTTP_HOST"] = host
      @environment["QUERY_STRING"] = query if query
      @environment["REQUEST_PATH"] = path || "/"
    end

    def name_server
      host = @environment["HTTP_HOST"]
      raise RefusedRequest.new(400, "the request names no host") if host.nil? && modern?

      name, port = HOST.match(host || "")&.captures
      raise RefusedRequest.new(400, "the request's Host is not a host") unless name

      @environment["SERVER_NAME"] = name.empty? ? "localhost" : name
      @environment["SERVER_PORT"] = port.nil? || port.empty? ? "80" : port
    end

    # With two codings, or an unclear one, two servers could find different requests in the body.
    def begin_body
      coding = @environment.delete("HTTP_TRANSFER_ENCODING")
      length = @environment["CONTENT_LENGTH"]
      check_framing(coding, length)
      if coding
        @body = ChunkedBody.new
      elsif length && length != "0"
        @body = MeasuredBody.new(length.to_i)
      end
      check_expectation
      true
    end

    def check_framing(coding, length)
      if coding
        check_coding(coding, length)
      elsif length && !LENGTH.match?(length)
        raise RefusedRequest.new(400, "the request's Content-Length is not a number")
      end
    end

    def check_coding(coding, length)
      if length
        raise RefusedRequest.new(400, "the request has both Transfer-Encoding and Content-Length")
      elsif !modern?
        raise RefusedRequest.new(400, "a request of HTTP/1.0 must not have a Transfer-Encoding")
      elsif !coding.casecmp?("chunked")
        raise RefusedRequest.new(501,
                                 "the request's Transfer-Encoding is not supported; use chunked")
      end
    end

    def check_expectation
      expected = @environment["HTTP_EXPECT"] or return
      unless expected.casecmp?("100-continue")
        raise RefusedRequest.new(417, "the request's Expect is not supported; use 100-continue")
      end

      @continue = modern? && !@body.nil?
    end

    def take_body
      if @body
        return false unless @body.take(@bytes)

        @environment["CONTENT_LENGTH"] = @body.size.to_s
        @input = @body.input
        @body = nil
      else
        @input = MemoryInput.new(NO_BYTES)
      end
      true
    end
  end
end
