# frozen_string_literal: true

require_relative "after_reply"
require_relative "early_hints"
require_relative "input"
require_relative "../base/log"
require_relative "../base/native"
require_relative "rewindable_input"
require_relative "response_body"
require_relative "response_head"

module PhusionPassenger
  # Calls a Rack application and sends its answer. An instance has one for all its threads.
  class RackAdapter
    NUL = "\0".b.freeze
    HTTPS_ON = "on"
    HTTP_2 = "HTTP/2.0"
    STRINGS_AT_ONCE = 400
    INTERNAL_ERROR = "Internal Server Error"
    BAD_GATEWAY = "Bad Gateway"
    CHUNKED = "Transfer-Encoding: chunked\r\n"
    LENGTH = /(?:\A|\0)CONTENT_LENGTH\0(\d+)\0/n.freeze
    private_constant :NUL, :HTTPS_ON, :HTTP_2, :STRINGS_AT_ONCE, :CHUNKED, :LENGTH

    # `threads`: the number of threads that call the adapter.
    def initialize(app, threads)
      @app = app
      @rewind = rewinding_rack?
      @after_reply = AfterReply.new(!@rewind)
      @formats = []
      @early_hints = ENV["PASSENGER_EARLY_HINTS"] == "on"
      @server_pairs = {
        "rack.url_scheme" => "http",
        "rack.version" => [1, 3].freeze,
        "rack.errors" => $stderr,
        "rack.multithread" => threads > 1,
        "rack.multiprocess" => true,
        "rack.run_once" => false,
        "rack.hijack?" => true
      }.to_a.flatten(1).freeze
    end

    # `head` is the environment as the httpd child sent it; `input` comes from input_for.
    def call(head, input, reply, head_request: false)
      environment = environment_from(head, input, reply)
      status, headers, body = @app.call(environment)
      send_answer(status, headers, body, reply, input, head_request)
    rescue ClientGone => e
      nil
    rescue BodyBrokenOff => e
      # Most often the httpd child is gone. If not, it must not wait for more.
      end_in_error(reply, 400, "Bad Request")
    rescue BadResponse => e
      Log.event("response.refused", AfterReply.request_of(environment).merge(reason: e.message))
      end_in_error(reply, 502, BAD_GATEWAY)
    rescue Exception => e # rubocop:disable Lint/RescueException
      Log.exception("request.failed", e, AfterReply.request_of(environment))
      end_in_error(reply)
      environment&.fetch("rack.hijack_io", nil)&.close
      raise if e.is_a?(SystemExit)
    ensure
      close(body, environment)
      input.release
      @after_reply.run(environment, status, headers, e) if environment
    end

    # Answers for an application that did not.
    def refuse(reply, status = 500, text = INTERNAL_ERROR)
      reply.respond(status, "Content-Type: text/plain\r\nContent-Length: #{text.bytesize}\r\n",
                    text, last: true)
    end

    # Ends an answer that is not finished. If the httpd child is gone, nothing is sent.
    def end_in_error(reply, status = 500, text = INTERNAL_ERROR)
      reply.started? ? reply.abort : refuse(reply, status, text)
    rescue ClientGone
      nil
    end

    # For a body that comes in pieces. `kept`: httpd has it whole, however long it is.
    def input_for(source, head, kept: false)
      @rewind || kept || short?(head) ? RewindableInput.new(source) : StreamInput.new(source)
    end

    private

    def rewinding_rack?
      return true unless defined?(::Rack) && ::Rack.respond_to?(:release)

      ::Rack.release.to_i < 3
    end

    def short?(head)
      length = head[LENGTH, 1]
      !length.nil? && length.to_i <= RewindableInput::MEMORY_LIMIT
    end

    def environment_from(head, input, reply)
      environment = (Native::LOADED && Native.environment(head, @server_pairs)) || take_apart(head)
      environment["rack.url_scheme"] = "https" if environment["HTTPS"] == HTTPS_ON
      environment["rack.input"] = input
      @after_reply.offer(environment)
      environment["rack.early_hints"] = EarlyHints.new(reply) if @early_hints
      expect_length(environment, input, reply) unless input.is_a?(MemoryInput)
      protocol = environment["HTTP_VERSION"] = environment["SERVER_PROTOCOL"] ||= "HTTP/1.1"
      offer_hijacking(environment, reply, protocol)
      environment
    end

    # An HTTP/2 connection carries other requests, too, so no request can take it over.
    def offer_hijacking(environment, reply, protocol)
      if protocol != HTTP_2 && (hijack = reply.hijacking(environment))
        environment["rack.hijack"] = hijack
      else
        environment["rack.hijack?"] = false
      end
    end

    # The length does not hold if a filter of httpd (mod_deflate) has removed a content coding.
    def expect_length(environment, input, reply)
      length = environment["CONTENT_LENGTH"]
      input.expect(length.to_i) if length && !environment.key?("HTTP_CONTENT_ENCODING")
      input.ask_by(reply) if environment.key?("HTTP_EXPECT")
    end

    # A zero byte ends each name and each value. `unpack` divides them twice as fast as `split`.
    def take_apart(head)
      count = head.count(NUL)
      if count.odd? || !head.end_with?(NUL)
        raise BadRequest, "the environment is not a list of names and values"
      end

      count <= STRINGS_AT_ONCE ? unpack_short(head, count) : unpack_long(head)
    end

    def unpack_short(head, count)
      strings = head.unpack(@formats[count] ||= ("Z*" * count).freeze)
      Hash[*strings.concat(@server_pairs)]
    end

    def unpack_long(head)
      Hash[head.split(NUL, -1).tap(&:pop).concat(@server_pairs).each_slice(2).to_a]
    end

    def send_answer(status, headers, body, reply, input, head_request)
      return if reply.finished? # the application has hijacked the connection

      code = status.to_i
      hijack = headers["rack.hijack"] if headers.is_a?(Hash)
      hijack ||= body if code == 101 && body.respond_to?(:call)
      unless (code >= 200 && code <= 999) || (code == 101 && hijack)
        raise BadResponse, "the status is #{status.inspect}"
      end

      head = ResponseHead.build(headers)
      if hijack && !head_request && code != 204 && code != 304
        send_head_and_hijack(reply, code, ResponseBody.chunked?(headers) ? head << CHUNKED : head,
                             hijack)
      elsif head_request || code == 204 || code == 304
        reply.respond(code, head, last: true)
      else
        ResponseBody.new(body, headers, input).send_to(reply, code, head)
      end
    end

    # From here on the application owns the stream and may keep it. The exchange is over.
    def send_head_and_hijack(reply, code, head, hijack)
      unless reply.hijackable?
        raise BadResponse, "the answer hijacks a connection where rack.hijack? is false"
      end
      if code == 101 && !reply.upgrade_wanted?
        raise BadResponse, "the answer is an upgrade that the client did not ask for"
      end

      stream = reply.respond_and_hijack(code, head)
      begin
        hijack.call(stream)
      rescue Exception # rubocop:disable Lint/RescueException
        stream.close
        raise
      end
    end

    def close(body, environment)
      body.close if !body.is_a?(Array) && body.respond_to?(:close)
    rescue Exception => e # rubocop:disable Lint/RescueException
      Log.exception("response.close_failed", e, AfterReply.request_of(environment))
    end
  end

  # The environment that the httpd child sent is malformed.
  class BadRequest < StandardError; end
end
