# frozen_string_literal: true

require_relative "http_request_body"
require_relative "../rack/input"

module PhusionPassenger
  # Makes requests, one after the other, out of what comes over a connection: a Rack environment and a whole body. Puma's parser reads the
  # heads, and limits them (its elements, and 112 KiB in all). What comes after a request is kept for the next one.
  class HttpRequestReader
    VERSION = /\AHTTP\/1\.\d\z/.freeze
    HOST = /\A(\[[\h:.]+\]|[^:\s,\/?#@\[\]]*)(?::(\d{0,5}))?\z/.freeze
    ABSOLUTE = %r{\Ahttps?://([^/?#]+)(/[^?#]*)?(?:\?([^#]*))?}i.freeze
    LENGTH = /\A\d{1,18}\z/.freeze
    NO_BYTES = "".b.freeze
    private_constant :VERSION, :HOST, :ABSOLUTE, :LENGTH, :NO_BYTES

    attr_reader :environment, :input

    # `template`: what all environments have. `parser`: a Puma::HttpParser of its own.
    def initialize(template, parser)
      @template = template
      @parser = parser
      @bytes = String.new
      @hosts = {}
      begin_next
    end

    # Forgets the request, for the next one.
    def begin_next
      @parser.reset
      @parsed = 0
      @environment = @input = @body = nil
      @head_whole = @continue = false
    end

    # Nothing of a request has come.
    def fresh?
      @environment.nil? && @bytes.empty?
    end

    # Bytes of the next request have come already.
    def pending?
      @environment.nil? && !@bytes.empty?
    end

    # Takes bytes, which may be empty. True: a request is whole. Raises RefusedRequest; nothing may be read after that.
    def take(bytes)
      @bytes.empty? ? @bytes = bytes : @bytes << bytes
      return false unless @head_whole || read_head

      take_body
    end

    # The client waits to be asked for the body. Told once.
    def continue?
      @continue.tap { @continue = false }
    end

    # HTTP/1.1, so that it understands chunks and interim answers.
    def modern?
      @modern
    end

    # The client would like to send further requests.
    def keep_alive?
      wish = @environment["HTTP_CONNECTION"] or return @modern
      return false if wish == "close"

      @modern ? !wish.match?(/(\A|[\s,])close([\s,]|\z)/i) : wish.match?(/(\A|[\s,])keep-alive([\s,]|\z)/i)
    end

    # Bytes behind the request, which are the caller's from now on.
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

    # For another connection. Returns itself.
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
      return RefusedRequest.new(400, "this is no request of HTTP/1.1") unless message.include?("longer than")

      element = message[/element (\w+)/, 1]
      return RefusedRequest.new(414, "the request's address is too long") if %w[REQUEST_URI REQUEST_PATH QUERY_STRING FRAGMENT].include?(element)

      RefusedRequest.new(431, element == "HEADER" ? "the request's head is longer than 112 KiB" : "a header of the request is too long")
    end

    def end_head
      underscores = @bytes.rindex("_", @parsed)
      @parsed == @bytes.bytesize ? @bytes.clear : @bytes.slice!(0, @parsed)
      # Puma's mark for an underscore in a name: such a header could pose as another one, which whatever stands before us has checked.
      @environment.delete_if { |name, _| name.include?(",") } if underscores
      @environment.delete("HTTP_PROXY")
      check_protocol
      place
      name_server
      begin_body
    end

    def check_protocol
      protocol = @environment["HTTP_VERSION"] || @environment["SERVER_PROTOCOL"]
      raise RefusedRequest.new(505, "#{protocol} is not spoken here, but HTTP/1.1") unless VERSION.match?(protocol)

      @modern = protocol != "HTTP/1.0"
      @environment["SERVER_PROTOCOL"] = @environment["HTTP_VERSION"] = protocol
    end

    def place
      path = @environment["REQUEST_PATH"] || other_target
      @environment["PATH_INFO"] = path
      @environment["QUERY_STRING"] ||= +""
    end

    # With a host in it, as to a proxy, or a star.
    def other_target
      target = @environment["REQUEST_URI"]
      return target if target == "*" && @environment["REQUEST_METHOD"] == "OPTIONS"

      host, path, query = ABSOLUTE.match(target)&.captures
      raise RefusedRequest.new(400, "the request's address is none that an application could have") unless host

      @environment["HTTP_HOST"] = host
      @environment["QUERY_STRING"] = query if query
      @environment["REQUEST_PATH"] = path || "/"
    end

    def name_server
      host = @environment["HTTP_HOST"]
      raise RefusedRequest.new(400, "the request names no host") if host.nil? && modern?

      name, port = @hosts[host] ||= HOST.match(host || "")&.captures
      raise RefusedRequest.new(400, "the request's Host is no host") unless name

      # The application may change them.
      @environment["SERVER_NAME"] = name.empty? ? "localhost" : name.dup
      @environment["SERVER_PORT"] = port.nil? || port.empty? ? "80" : port.dup
      @hosts.clear if @hosts.size > 8
    end

    # In two codings at once, or in an unclear one, one server would see another request in the body than the next.
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
        raise RefusedRequest.new(400, "the request has both Transfer-Encoding and Content-Length") if length
        raise RefusedRequest.new(400, "the request is of HTTP/1.0 and has a Transfer-Encoding") unless modern?
        raise RefusedRequest.new(501, "the request's Transfer-Encoding is not known; chunked is") unless coding.casecmp?("chunked")
      elsif length && !LENGTH.match?(length)
        raise RefusedRequest.new(400, "the request's Content-Length is no number")
      end
    end

    def check_expectation
      expected = @environment["HTTP_EXPECT"] or return
      raise RefusedRequest.new(417, "what the request expects is not known; 100-continue is") unless expected.casecmp?("100-continue")

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
