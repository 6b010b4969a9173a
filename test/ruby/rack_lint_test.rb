# frozen_string_literal: true

require_relative "handler_test_case"
require_relative "http_server_test_case"
require_relative "rack_lint_tests"
require_relative "rack_test_case"

module PhusionPassenger
  # Runs the tests in an instance.
  class RackLintTest < HandlerTestCase
    include RackLintTests

    private

    def ask(app, posted: nil)
      assert_empty(logged { answer_to(::Rack::Lint.new(app), posted) })
      *interim, status, head, body = in_time { [*interim_heads, *@child.answer.take(3)] }
      [interim, status, head, body]
    end

    def stream_of(app)
      assert_empty(logged { answer_to(::Rack::Lint.new(app), nil) })
      _, _, _, control = in_time { @child.io.recvmsg(100, 0, 100, scm_rights: true) }
      in_time { closing(control.unix_rights.first).read }
    end

    def answer_to(app, posted)
      variables = if posted
                    { "REQUEST_METHOD" => "POST", "CONTENT_LENGTH" => posted.sum(&:bytesize).to_s }
                  else
                    {}
                  end
      serve(app) do
        @group.send(channel: 7, ticket: 1, environment: environment(variables),
                    flags: posted ? 1 : 0)
        posted&.each_with_index do |piece, index|
          @child.send_body(1, piece, last: index == posted.size - 1)
        end
      end
    end

    # Receives the interim answers; the answer stays in the channel.
    def interim_heads
      heads = []
      while @child.io.recv(24, Socket::MSG_PEEK).getbyte(8) == Layout::Reply::INTERIM
        heads << @child.receive.head
      end
      heads
    end
  end

  # Runs the tests in a worker of passenger-prefork.
  class HttpRackLintTest < HttpServerTestCase
    include RackLintTests

    private

    def ask(app, posted: nil)
      *interim, head, body = received(app, posted)
      [interim, head[/\A\S+ (\d+)/, 1].to_i, head,
       head.match?(/^transfer-encoding: chunked/i) ? unchunked(body) : body]
    end

    def stream_of(app)
      received(app).last
    end

    # Returns the bytes of a client: heads of interim answers without status lines, the head, and
    # all bytes after it.
    def received(app, posted = nil)
      rest = nil
      assert_empty(logged { serve(::Rack::Lint.new(app)) { rest = answers(request(posted)) } })
      interim = []
      while rest.sub!(/\AHTTP\/1.1 1\d\d [^\n]*\n(.*?\r\n)\r\n/m, "")
        interim << Regexp.last_match(1)
      end
      head, empty, body = rest.partition("\r\n\r\n")
      empty.empty? ? [*interim, rest] : [*interim, head, body]
    end

    def request(posted)
      return get("/", "Connection: close") unless posted

      body = posted.join
      "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: #{body.bytesize}\r\n" \
      "\r\n#{body}"
    end

    def unchunked(bytes)
      decoder = ChunkedDecoder.new
      decoder.decode(bytes).tap { assert_predicate decoder, :ended? }
    end
  end
end
