# frozen_string_literal: true

module PhusionPassenger
  # Takes the answer to a request of PassengerWarmUp in place of Reply, and drops it. It has the
  # methods that RackAdapter and what it uses call.
  class WarmUpReply
    # Nil: the application has not answered yet.
    attr_reader :status

    def initialize
      @status = nil
      @finished = @aborted = false
    end

    def started?
      !@status.nil?
    end

    def finished?
      @finished
    end

    def takes_file?
      false
    end

    # The application failed after the head of its answer.
    def aborted?
      @aborted
    end

    def respond(status, _head, _bytes = "", last: false)
      @status = status
      @finished = last
    end

    def data(_bytes, last: false)
      @finished ||= last
    end

    def finish
      @finished = true
    end

    def check_client; end

    def abort
      @finished = @aborted = true
    end

    def interim(_status, _head); end

    # There is no connection that the application could take over.
    def hijacking(_environment); end

    def hijackable?
      false
    end
  end
end
