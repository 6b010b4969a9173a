# frozen_string_literal: true

require_relative "test_helper"

module PhusionPassenger
  # For tests of the code between a request and Rack.
  class RackTestCase < TestCase
    # Records its calls.
    class Recorder
      attr_reader :calls, :stream

      def initialize
        @calls = []
      end

      def hijacking(environment)
        @environment = environment
        -> { raise IOError, "nothing to hijack" }
      end

      def upgrade_wanted?
        @environment.key?("HTTP_UPGRADE")
      end

      def hijackable?
        true
      end

      def takes_file?
        false
      end

      def respond_and_hijack(status, head)
        @calls << [:respond_and_hijack, status, head, true]
        @stream = StringIO.new
      end

      def interim(status, head)
        @calls << [:interim, status, head]
      end

      def started?
        !@calls.empty?
      end

      def finished?
        @calls.any? { |call| call.last == true || call.first == :abort }
      end

      def respond(status, head, bytes = "", last: false)
        @calls << [:respond, status, head, bytes.dup, last]
      end

      def data(bytes, last: false)
        @calls << [:data, bytes.dup, last]
      end

      def finish
        @calls << [:data, "", true]
      end

      def check_client; end

      def abort
        @calls << [:abort]
      end
    end

    # Takes the head; its client has left then.
    class LeftRecorder < Recorder
      def data(*)
        raise ClientGone, "gone"
      end

      def finish
        data
      end

      def check_client
        data
      end
    end

    # A body that records whether it was closed.
    class Body
      attr_reader :closed

      def initialize(pieces, error: nil)
        @pieces = pieces
        @error = error
        @closed = 0
      end

      def each(&block)
        @pieces.each(&block)
        raise @error if @error
      end

      def close
        @closed += 1
      end
    end

    private

    def call(app, threads: 1, head: nil, input: MemoryInput.new(""), head_request: false,
             recorder: Recorder.new, **variables)
      head ||= Peers.environment_bytes(Peers::ENVIRONMENT.merge(variables.transform_keys(&:to_s)))
      RackAdapter.new(app, threads).call(head, input, recorder, head_request: head_request)
      recorder
    end
  end
end
