# frozen_string_literal: true

require_relative "http_adapter"
require_relative "http_admission"
require_relative "http_balance"
require_relative "http_rebalancer"
require_relative "http_output"
require_relative "http_reply"
require_relative "http_request_reader"
require_relative "poller"

module PhusionPassenger
  # Serves many connections in one thread, one request at a time: of those that are ready each gets one turn, and then a new
  # connection is accepted, or taken out of the line that all workers share. So a client that keeps its connection holds nobody up while it says
  # nothing, nor while it says it slowly; and what would wait here is given to whoever is free, by that line.
  class HttpServer
    include HttpAdmission
    include HttpOutput

    # In seconds. `idle`: until the next request begins. `request`: from there until it is whole. `patience`: until a client takes more of its
    # answer. `answer`: for how long in all that may go on. `sweep`: between two looks at all of them.
    Limits = Struct.new(:idle, :request, :patience, :answer, :connections, :sweep, keyword_init: true)
    LIMITS = Limits.new(idle: 20, request: 30, patience: 30, answer: 300, connections: 1000, sweep: 1).freeze
    # How much of the usual time of a request the last one is.
    LATEST = 0.1
    # For how long, in seconds, it keeps the processor while others want it, too.
    STINT = 0.0002
    # Before free is said: the next request is often there by then.
    REST = 0.005
    CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n"
    private_constant :LATEST, :STINT, :CONTINUE

    # `listeners`: sockets that listen. `line` and `loads`: the ConnectionQueue and the WorkerLoads of all workers. `report` is told `busy` and
    # `free`, and in each pass `alive`; within `report.interval` seconds there is always another pass, unless the application takes longer.
    def initialize(listeners, line, loads, app, report, parser_class, limits = LIMITS)
      @listeners = listeners.map { |socket| HttpListener.new(socket) }
      @line = line
      @adapter = HttpAdapter.new(app)
      @template = @adapter.template
      @report = report
      @parser_class = parser_class
      @limits = limits
      @wake, @waker = IO.pipe
      @connections = {}.compare_by_identity
      @readers = []
      @poller = Poller.new
      [@wake, *@listeners, line].each { |entry| @poller.read(entry) }
      @ready = []
      @entries = []
      @balance = HttpBalance.new(loads, @cpu_slots = loads.cpu_slots)
      @rebalancer = HttpRebalancer.new(self)
      @usual_time = WORTH
      @stint_began = 0
      @finishing = @stopped = @busy = @paused = false
      @next_sweep = @paused_until = 0
    end

    # Takes no further connections, and ends with the requests of those that are there. In a signal handler, too.
    def finish
      @finishing = true
      @waker.write_nonblock(".", exception: false)
    rescue IOError
      nil
    end

    def run
      pass until @stopped && @connections.empty? && !relieve_queue
    ensure
      close
    end

    # Also in processes that the application forked.
    def close
      # The waker first: who finds it open finds the other end open, too.
      [*@listeners, @line, @balance, *@connections.keys, @waker, @wake, @rebalancer, @poller, @cpu_slots].each(&:close)
      @connections.clear
    end

    # Whether a connection is to be kept, asked by the answer that is about to begin.
    def keep?
      !@finishing && @limits.idle.positive?
    end

    def ending?
      @finishing
    end

    # It is somebody else's from now on, or will be closed. False: it is that already.
    def release(connection)
      return false unless @connections.delete(connection)

      @poller.forget(connection)
      true
    end

    # Made once each second.
    def date_line
      seconds = Process.clock_gettime(Process::CLOCK_REALTIME, :second)
      return @date_line if seconds == @date_of

      @date_of = seconds
      @date_line = "Date: #{Time.at(seconds).utc.strftime('%a, %d %b %Y %H:%M:%S GMT')}\r\n".freeze
    end

    private

    def pass
      ready = wait
      began = @now = now
      @report.alive(@now)
      stop_accepting if @finishing && !@stopped
      ready.each { |thing| sort(thing) }
      take_turns
      admit_all
      relieve_queue if @finishing
      resume_accepting if @paused && @now >= @paused_until
      # What came during a long request was not seen yet.
      sweep(began) if began >= @next_sweep
      give_way if !slow? && @now - @stint_began > STINT
    end

    # Where more workers are busy than there are processors, the kernel takes one away for some milliseconds, and everything that is ready here
    # waits as long. So it is given away before, for a moment. (In Ruby 3.1 and 3.2 this is sched_yield(2) while the rebalancer's thread is there,
    # since nobody waits for Ruby's lock; later ones do nothing.)
    def give_way
      Thread.pass
      @stint_began = now
    end

    def wait
      return @poller.wait(0) unless @ready.empty?

      if @cpu_slots.taken?
        ready = @poller.wait(0)
        return ready unless ready.empty?

        @cpu_slots.leave
      end
      if @busy
        ready = @poller.wait(REST)
        return ready unless ready.empty?

        end_work
      end
      @poller.wait(time_to_wait)
    end

    def time_to_wait
      return SWEEP_AT_END if @finishing
      return [@paused_until - now, 0].max if @paused && @paused_until > @now
      return @report.interval if @connections.empty?

      [@limits.sweep, *@report.interval].min
    end

    def sort(thing)
      if thing.is_a?(HttpConnection)
        thing.blocked ? guard(thing) { write_on(thing) } : thing.queued ||= @ready << thing
      elsif thing.equal?(@wake)
        thing.read_nonblock(64, exception: false)
      else
        @entries << thing
      end
    end

    # What becomes ready meanwhile has its turn in the next pass.
    def take_turns
      waiting = @ready
      @ready = []
      share(waiting)
      while (connection = waiting.shift)
        connection.queued = nil
        guard(connection) { advance(connection) } if @connections.key?(connection)
      end
    end

    # A connection that breaks ends alone.
    def guard(connection)
      yield
    rescue ClientGone
      drop(connection)
    rescue RefusedRequest => e
      guard(connection) { refuse(connection, e) }
    rescue Errno::EPIPE # the report's: of a client it is a ClientGone
      raise
    rescue StandardError => e
      Log.exception("connection.failed", e)
      drop(connection)
    end

    def reader
      @readers.pop || HttpRequestReader.new(@template, @parser_class.new)
    end

    def advance(connection)
      connection.state == :linger ? connection.receive : read_request(connection)
    end

    def read_request(connection)
      reader = connection.reader
      if reader.pending?
        bytes = +""
      else
        bytes = connection.receive or return
        connection.deadline = @now + request_time if reader.fresh?
      end
      return serve(connection, reader) if reader.take(bytes)

      connection.write(CONTINUE) if reader.continue?
    end

    def serve(connection, reader)
      @report.requests += 1
      begin_work unless @busy
      @began = now
      @report.begin_request(@began)
      connection.begin_answer
      reader.environment["REMOTE_ADDR"] = connection.peer.dup
      head_request = reader.environment["REQUEST_METHOD"] == "HEAD"
      reply = HttpReply.new(connection, self, head_request)
      @cpu_slots.begin_request(@began)
      @rebalancer.during(@began, @usual_time) { @adapter.call(reader.environment, reader.input, reply, head_request: head_request) }
      @cpu_slots.end_request
      conclude(connection, reply)
    end

    def end_work
      @busy = false
      @rebalancer.rest
      @balance.rest
      @report.show_requests
      @report.free
    end

    def begin_work
      @busy = true
      @report.busy
      @rebalancer.wake
    end

    def conclude(connection, reply)
      # The request may have taken long.
      @now = now
      # The monitor's proof that this worker works.
      end_work if @report.requests == 1
      @usual_time += (@now - @began - @usual_time) * LATEST
      return if reply.hijacked?
      return break_off(connection) if reply.broken? || !reply.finished?

      connection.reader.begin_next
      connection.state = reply.keep? ? :request : :close
      write_on(connection)
    end

    def now
      Process.clock_gettime(Process::CLOCK_MONOTONIC)
    end
  end
end
