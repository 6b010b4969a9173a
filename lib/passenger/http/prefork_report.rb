# frozen_string_literal: true

module PhusionPassenger
  # What a worker tells its PreFork, by the pipe that was its standard output at first: that it lives, works, or is free.
  class PreforkReport
    # COMM_ACK, COMM_BUSY and COMM_NOT_BUSY of ext/common/prefork/WorkerOutput.h.
    ACK = "\xFF\xFEA\xFE\xFF".b.freeze
    BUSY = "\xFF\xFEB\xFE\xFF".b.freeze
    NOT_BUSY = "\xFF\xFEN\xFE\xFF".b.freeze
    # Of the interval: by so little may a request seem to have begun earlier.
    EXACTNESS = 0.01
    private_constant :EXACTNESS

    # How many seconds may be between two signs of life; nil: none are wanted.
    attr_reader :interval

    # How many requests there were.
    attr_accessor :requests

    # What the process is called, before its number of requests; nil: that is not shown.
    attr_writer :title

    # `io`: the monitor's pipe, which nobody else writes into.
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

    # In the process's title, where people and the monitor find it.
    def show_requests
      return if @title.nil? || @requests == @shown

      @shown = @requests
      $PROGRAM_NAME = "#{@title} (#{@requests} requests)"
    end

    # In each pass of the worker's loop: a worker that works at one thing for too long is silent.
    def alive(now)
      sign(now, @interval) if @interval
    end

    # The monitor's patience begins anew with each request, also where one pass has several.
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

    # One write each: nothing comes between the bytes of a word.
    def tell(word)
      @io.syswrite(word)
    end
  end
end
