# frozen_string_literal: true

require_relative "http_admission"
require_relative "http_clock"
require_relative "http_connections"
require_relative "http_deadlines"
require_relative "http_output"
require_relative "http_rebalancer"
require_relative "http_service"
require_relative "http_sharing"
require_relative "poller"

module PhusionPassenger
  # The loop of a worker: serves many connections in one thread, one request at a time. In each pass
  # every ready connection has one turn; then each source of connections has one. So a client that
  # says nothing, or says it slowly, delays no other client. Connections that would wait here go to
  # other workers, by the ConnectionQueue.
  class HttpServer
    # In seconds, but for `connections`. `idle`: until the next request begins. `request`: from its
    # beginning until it is complete. `patience`: until a client takes more of its answer. `answer`:
    # the sum of these waits in one answer. `sweep`: between two looks at all deadlines.
    Limits = Struct.new(:idle, :request, :patience, :answer, :connections, :sweep,
                        keyword_init: true)
    LIMITS = Limits.new(idle: 20, request: 30, patience: 30, answer: 300, connections: 1000,
                        sweep: 1).freeze
    # In seconds: the interval of a sweep when the worker is to end.
    SWEEP_AT_END = 0.1
    # In seconds: after this time the worker gives its processor away for a moment.
    STINT = 0.0002
    # In seconds: the wait before the worker reports that it is free. The next request often comes
    # within it.
    REST = 0.005
    private_constant :SWEEP_AT_END, :STINT

    # `listeners`: sockets that listen. `queue` and `loads`: the ConnectionQueue and the WorkerLoads
    # of all workers. `report`: a PreforkReport. It gets `alive` in each pass; unless the
    # application takes longer, the time between two passes is at most `report.interval`.
    def initialize(listeners, queue, loads, app, report, parser_class,
                   limits = LIMITS, clock = HttpClock.new)
      @report = report
      @limits = limits
      @clock = clock
      adapter = HttpAdapter.new(app)
      @poller = Poller.new
      @connections = HttpConnections.new(@poller, limits, report, adapter.template, parser_class)
      @deadlines = HttpDeadlines.new(limits, clock)
      @output = HttpOutput.new(@connections, @deadlines)
      @sharing = HttpSharing.new(queue, loads, @connections, @deadlines, clock)
      @rebalancer = HttpRebalancer.new(self)
      @service = HttpService.new(adapter, @connections, @output, @deadlines, @sharing, @rebalancer,
                                 report, clock)
      @admission = HttpAdmission.new(listeners, queue, @poller, @connections, @deadlines, @sharing,
                                     clock) { |connection| admitted(connection) }
      @wake, @waker = IO.pipe
      @poller.read(@wake)
      @stint_began = @next_sweep = 0
    end

    # Takes no further connections. `run` returns after the requests of those that are there. A
    # signal handler may call this.
    def finish
      @deadlines.finish
      @waker.write_nonblock(".", exception: false)
    rescue IOError
      nil
    end

    def run
      pass until @admission.stopped? && @connections.empty? && !@admission.relieve_queue
    ensure
      close
    end

    # Also in processes that the application forked.
    def close
      # First the waker: a caller of `finish` that finds it open finds the other end open, too.
      [@admission, @connections, @waker, @wake, @rebalancer, @poller, @sharing].each(&:close)
    end

    # These three are for the HttpRebalancer.

    def idle_connections
      @connections.idle
    end

    def give_away(connection)
      @sharing.give_away(connection)
    end

    def ending?
      @deadlines.finishing?
    end

    private

    def pass
      ready = wait
      began = @clock.update
      @report.alive(began)
      stop if ending? && !@admission.stopped?
      ready.each { |thing| sort(thing) }
      take_turns
      @admission.admit_all
      @admission.relieve_queue if ending?
      @admission.resume
      # The time is that of the pass's beginning: what came during a long request is not seen yet.
      sweep(began) if began >= @next_sweep
      give_way if !@sharing.slow? && @clock.time - @stint_began > STINT
    end

    # With more busy workers than processors, the kernel takes a worker's processor away for some
    # milliseconds, and all ready connections wait. Therefore the worker gives it away before, for a
    # moment. In Ruby 3.1 and 3.2 this is sched_yield(2), as long as the rebalancer's thread exists
    # and no thread waits for Ruby's lock; later versions do nothing.
    def give_way
      Thread.pass
      @stint_began = @clock.now
    end

    def wait
      return @poller.wait(0) if @connections.any_ready?

      ready = @sharing.leave_slot_unless { poll(0) }
      return ready if ready

      if @service.busy?
        ready = poll(REST)
        return ready if ready

        @service.rest
      end
      @poller.wait(time_to_wait)
    end

    # Nil: nothing is ready.
    def poll(seconds)
      ready = @poller.wait(seconds)
      ready unless ready.empty?
    end

    def time_to_wait
      return SWEEP_AT_END if ending?

      pause = @admission.pause
      return pause if pause
      return @report.interval if @connections.empty?

      [@limits.sweep, *@report.interval].min
    end

    def sort(thing)
      if thing.is_a?(HttpConnection)
        thing.blocked ? @output.guard(thing) { @output.write_on(thing) } : @connections.queue(thing)
      elsif thing.equal?(@wake)
        thing.read_nonblock(64, exception: false)
      else
        @admission.note(thing)
      end
    end

    # A connection that becomes ready meanwhile has its turn in the next pass.
    def take_turns
      ready = @connections.take_ready
      @sharing.share(ready, @admission)
      while (connection = ready.shift)
        connection.queued = nil
        advance(connection) if @connections.include?(connection)
      end
    end

    def advance(connection)
      @output.guard(connection) { @service.advance(connection) }
    end

    # The first request often comes with the connection, which may end with it. Therefore the poller
    # watches the connection only afterwards.
    def admitted(connection)
      advance(connection)
      return if connection.blocked || !@connections.include?(connection)

      @output.guard(connection) { @connections.watch_input(connection) }
    end

    def stop
      @admission.stop
      @sharing.leave
      kept = @connections.to_a.reject { |connection| connection.unsent? || give_away(connection) }
      @deadlines.shorten(kept)
    end

    def sweep(time)
      @next_sweep = time + (ending? ? SWEEP_AT_END : @limits.sweep)
      @report.show_requests
      @connections.to_a.each do |connection|
        @output.guard(connection) { @output.time_out(connection) } if connection.deadline <= time
      end
    end
  end
end
