# frozen_string_literal: true

require_relative "input"
require_relative "log"
require_relative "native"
require_relative "rewindable_input"
require_relative "response_body"
require_relative "response_head"

module PhusionPassenger
  # Calls a Rack application and sends its answer. One for an instance, used by all its threads.
  class RackAdapter
    NUL = "\0".b.freeze
    HTTPS_ON = "on"
    STRINGS_AT_ONCE = 400
    INTERNAL_ERROR = "Internal Server Error"
    private_constant :NUL, :HTTPS_ON, :STRINGS_AT_ONCE

    # `threads`: how many call it at once.
    def initialize(app, threads)
      @app = app
      @rewind = rewinding_rack?
      @formats = []
      @server_pairs = {
        "rack.version" => [1, 3].freeze,
        "rack.errors" => $stderr,
        "rack.multithread" => threads > 1,
        "rack.multiprocess" => true,
        "rack.run_once" => false,
        "rack.hijack?" => false
      }.to_a.flatten(1).freeze
    end

    # `head` is the environment as the child sent it, `input` comes from input_for.
    def call(head, input, reply, head_request: false)
      environment = environment_from(head, input)
      status, headers, body = @app.call(environment)
      send_answer(status, headers, body, reply, input, head_request)
    rescue ClientGone
      nil
    rescue BodyBrokenOff
      break_off(reply)
    rescue BadResponse => e
      Log.event("response.refused", request_of(environment).merge(reason: e.message))
      end_in_error(reply)
    rescue Exception => e # rubocop:disable Lint/RescueException
      Log.exception("request.failed", e, request_of(environment))
      end_in_error(reply)
      raise if e.is_a?(SystemExit)
    ensure
      close(body, environment)
      input.release
    end

    # An answer for what the application could not answer.
    def refuse(reply, status = 500, text = INTERNAL_ERROR)
      reply.respond(status, "Content-Type: text/plain\r\nContent-Length: #{text.bytesize}\r\n", text, last: true)
    end

    # An answer that was not finished. When the child has gone, nothing is to be said.
    def end_in_error(reply)
      reply.started? ? reply.abort : refuse(reply)
    rescue ClientGone
      nil
    end

    def input_for(source)
      @rewind ? RewindableInput.new(source) : StreamInput.new(source)
    end

    private

    def rewinding_rack?
      return true unless defined?(::Rack) && ::Rack.respond_to?(:release)

      ::Rack.release.to_i < 3
    end

    def environment_from(head, input)
      environment = (Native::LOADED && Native.environment(head, @server_pairs)) || take_apart(head)
      environment["rack.url_scheme"] = environment["HTTPS"] == HTTPS_ON ? "https" : "http"
      environment["rack.input"] = input
      expect_length(environment, input)
      environment["HTTP_VERSION"] = environment["SERVER_PROTOCOL"] ||= "HTTP/1.1"
      environment
    end

    # A filter of httpd's that has taken a coding off (mod_deflate) has changed the length.
    def expect_length(environment, input)
      length = environment["CONTENT_LENGTH"]
      input.expect(length.to_i) if length && !environment.key?("HTTP_CONTENT_ENCODING")
    end

    # Names and values end with a zero each. `unpack` takes them apart twice as fast as `split`.
    def take_apart(head)
      count = head.count(NUL)
      raise BadRequest, "the environment is no list of names and values" if count.odd? || !head.end_with?(NUL)

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
      code = status.to_i
      raise BadResponse, "its status is #{status.inspect}" unless code.between?(200, 999)

      head = ResponseHead.build(headers)
      if head_request || code == 204 || code == 304
        reply.respond(code, head, last: true)
      else
        ResponseBody.new(body, headers, input).send_to(reply, code, head)
      end
    end

    # Most often the child has gone; if not, it must not wait for more.
    def break_off(reply)
      reply.started? ? reply.abort : refuse(reply, 400, "Bad Request")
    rescue ClientGone
      nil
    end

    def request_of(environment)
      return {} unless environment

      { method: environment["REQUEST_METHOD"], path: "#{environment['SCRIPT_NAME']}#{environment['PATH_INFO']}" }
    end

    def close(body, environment)
      body.close if body.respond_to?(:close)
    rescue Exception => e # rubocop:disable Lint/RescueException
      Log.exception("response.close_failed", e, request_of(environment))
    end
  end

  # What the child sent cannot be understood.
  class BadRequest < StandardError; end
end
