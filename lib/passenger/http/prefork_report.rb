# frozen_string_literal: true

module PhusionPassenger
  # Tells the monitor (PreFork) that the worker lives, works or is free, by the pipe that was its
  # standard output at first.
  class PreforkReport
    # COMM_ACK, COMM_BUSY and COMM_NOT_BUSY of ext/common/prefork/WorkerOutput.h.
    ACK = "\xFF\xFEA\xFE\xFF".b.freeze
    BUSY = "\xFF\xFEB\xFE\xFF".b.freeze
    NOT_BUSY = "\xFF\xFEN\xFE\xFF".b.freeze
    # A part of the interval: a request may seem to begin earlier by this time.
    EXACTNESS = 0.01
    private_constant :EXACTNESS

    # The greatest number of seconds between two signs of life; nil: the monitor wants none.
    attr_reader :interval

    attr_accessor :requests

    # The process's title before the number of requests; nil: the title stays unchanged.
    attr_writer :title

    # `io`: the monitor's pipe. No other code writes into it.
    def initialize(io, interval)
      @io = io
      @interval = interval&.positive? ? interval : nil
      @last_sign = -Float::INFINITY
      @requests = 0
      @title = @shown = nil
    end

    def busy
      tell(BUSY)
    end

    def free
      tell(NOT_BUSY)
    end

    # Shows the number of requests in the process's title, for users and for the monitor.
    def show_requests
      return if @title.nil? || @requests == @shown

      @shown = @requests
      $PROGRAM_NAME = "#{@title} (#{@requests} requests)"
    end

    # Called in each pass of the worker's loop. A worker that is at one request for too long gives
    # no sign.
    def alive(now)
      sign(now, @interval) if @interval
    end

    # The monitor's time limit begins anew with each request, also where one pass has several.
    def begin_request(now)
      sign(now, @interval * EXACTNESS) if @interval
    end

    def close
      @io.close
    end

    private

    def sign(now, after)
      return if now - @last_sign < after

      @last_sign = now
      tell(ACK)
    end

    # One write for each message, so its bytes stay together.
    def tell(word)
      @io.syswrite(word)
    end
  end
end
