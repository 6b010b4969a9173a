# frozen_string_literal: true

require_relative "test_helper"

module PhusionPassenger
  # For tests of a handler with a queue, claims, withdrawal marks and a channel.
  class HandlerTestCase < TestCase
    # Handlers end at the end of the queue, as if the agent told the instance to finish.
    class IntakeToTheEnd < Intake
      def queue_ended(handover)
        super
        @lock.synchronize do
          @open = false
          @finished = true
          @changed.broadcast
        end
      end
    end

    HELLO = ->(_env) { [200, { "Content-Type" => "text/plain" }, ["hello"]] }

    def setup
      super
      @group = closing(Peers::Group.new)
      @agent, control = stream_pair.map { |io| FrameSocket.new(io) }
      @intake = IntakeToTheEnd.new(handover)
      @closers << -> { @intake.finish }
      @channels = Channels.new(control)
      @child = add_child(7)
    end

    private

    def add_child(id)
      ours, @theirs = seqpacket_pair
      @channels.add(id, @theirs)
      Peers::Child.new(ours)
    end

    def environment(more)
      Peers::ENVIRONMENT.merge(more)
    end

    def echo(name)
      ->(env) { [200, {}, [env[name]]] }
    end

    def echo_input
      ->(env) { [200, {}, [env["rack.input"].read]] }
    end

    # What SERVE hands over for @group.
    def handover(own: nil, sticky_id: own ? 7 : 0, **fields)
      numbers = Peers.serve_fields(sticky_id: sticky_id, **fields)
      descriptors = [@group.receiver, @group.claims, @group.withdrawals, own].compact
      Handover.new(Frame.new(Frame::Control::SERVE, numbers.map(&:to_s), descriptors))
    end

    def handler(app, index)
      RequestHandler.new(intake: @intake, index: index, channels: @channels,
                         adapter: RackAdapter.new(app, 1), max_requests: @max_requests)
    end

    # A handler answers all requests that the block sends, up to the end of the queue.
    def serve(app, index: 0)
      handler = handler(app, index)
      yield
      @group.end_queue
      in_time { handler.run }
    end

    # Like `serve`, in a thread that the application ends.
    def serve_until_thread_ends(app)
      yield
      in_time { Thread.new { handler(app, 0).run }.join }
    end

    # The handler runs while the block sends and receives.
    def serve_in_thread(app)
      @handler = handler(app, 0)
      thread = Thread.new { @handler.run }
      yield thread
    ensure
      @group.end_queue
      in_time { thread.join }
    end
  end
end
