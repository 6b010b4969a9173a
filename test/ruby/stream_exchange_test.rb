# frozen_string_literal: true

require_relative "handler_test_case"

module PhusionPassenger
  # Section 3.4 of doc/PROTOCOLS.md.
  class StreamExchangeTest < HandlerTestCase
    def setup
      super
      @child = @child.io
    end

    def test_a_stream_is_handed_over_and_answered_up_to_its_end
      app = ->(env) { [200, { "X-Method" => env["REQUEST_METHOD"] }, [env["rack.input"].read]] }
      serve(app) do |stream|
        send_environment(stream, Peers::ENVIRONMENT.merge("REQUEST_METHOD" => "POST"))
        stream.syswrite("the body")
        stream.shutdown(Socket::SHUT_WR)
        assert_equal "Status: 200 OK\r\nX-Method: POST\r\n\r\nthe body", stream.read
      end
    end

    def test_the_claim_stands_until_the_stream_is_done
      serve(->(_) { [204, {}, []] }) do |stream|
        assert_equal 0, stream.fcntl(Fcntl::F_GETFL) & Fcntl::O_NONBLOCK
        assert_equal [7, 5], @group.claim(0)
        send_environment(stream, Peers::ENVIRONMENT)
        assert_equal "Status: 204 No Content\r\n\r\n", stream.read
      end
      assert_equal [0, 0], @group.claim(0)
    end

    def test_pieces_go_out_as_they_come
      body = Enumerator.new do |yielder|
        yielder << "one"
        @seen = "yes"
        yielder << "two"
      end
      serve(->(_) { [200, {}, body] }) do |stream|
        send_environment(stream, Peers::ENVIRONMENT)
        assert_equal "Status: 200 OK\r\n\r\nonetwo", stream.read
      end
    end

    def test_an_environment_over_the_limit_ends_the_stream
      serve(->(_) { flunk "it ran" }) do |stream|
        stream.syswrite([1_048_577].pack("V"))
        assert_equal "", stream.read
      end
    end

    def test_an_environment_that_breaks_off_ends_the_stream
      serve(->(_) { flunk "it ran" }) do |stream|
        stream.syswrite("#{[100].pack('V')}short")
        stream.shutdown(Socket::SHUT_WR)
        assert_equal "", stream.read
      end
    end

    def test_a_child_that_leaves_is_dropped_quietly
      body = Enumerator.new { |yielder| 100.times { yielder << "x" * 60_000 } }
      log = logged do
        serve(->(_) { [200, {}, body] }) do |stream|
          send_environment(stream, Peers::ENVIRONMENT)
          stream.close
        end
      end
      assert_empty log
    end

    def test_a_stream_that_cannot_be_sent_is_answered_and_the_instance_continues
      channel = @channels.borrow(7)
      channel.define_singleton_method(:send_descriptor) { |*| raise Errno::ETOOMANYREFS }
      channel.give_back
      log = logged do
        running(->(_) { flunk "it ran" }) do
          [5, 6].each do |ticket|
            @group.send(channel: 7, ticket: ticket, flags: 2, environment: {})
            answer = Peers::Child.new(@child).receive
            assert_equal [1, 500, true], [answer.type, answer.status, answer.last?]
          end
        end
      end
      assert_match(/request\.failed/, log)
    end

    private

    def send_environment(stream, environment)
      bytes = Peers.environment_bytes(environment)
      stream.syswrite([bytes.bytesize].pack("V") + bytes)
    end

    # Sends a STREAM request and yields the end of the stream that comes back.
    def serve(app)
      running(app) do
        @group.send(channel: 7, ticket: 5, flags: 2, environment: {})
        yield closing(accepted)
      end
    end

    def running(app, &block)
      serve_in_thread(app) { in_time(&block) }
    end

    def accepted
      bytes, _, _, control = @child.recvmsg(100, 0, nil, scm_rights: true)
      assert_equal [5, 5, 1], bytes.unpack("Q<CC")
      control.unix_rights[0]
    end
  end
end
