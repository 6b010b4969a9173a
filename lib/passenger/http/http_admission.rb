# frozen_string_literal: true

require_relative "../base/log"
require_relative "cpu_slots"
require_relative "http_listener"

module PhusionPassenger
  # Takes new connections from the listeners, and others out of the workers' ConnectionQueue: the
  # sources. The poller watches the sources as long as the worker has room and may work.
  class HttpAdmission
    # A pass takes connections from one source for this time, in seconds, if requests are short.
    BRIEFLY = 0.0005
    NO_DESCRIPTORS = [Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS, Errno::ENOMEM].freeze
    # The wait for descriptors, in seconds.
    PAUSE = 0.005
    private_constant :BRIEFLY, :NO_DESCRIPTORS, :PAUSE

    # `admitted` is called with each new connection, and serves its first request if that is there.
    def initialize(listeners, queue, poller, connections, deadlines, sharing, clock, &admitted)
      @listeners = listeners.map { |socket| HttpListener.new(socket) }
      @queue = queue
      @poller = poller
      @connections = connections
      @deadlines = deadlines
      @sharing = sharing
      @clock = clock
      @admitted = admitted
      @ready = []
      @stopped = @paused = false
      @paused_until = 0
      sources.each { |source| poller.read(source) }
    end

    # The poller says that the source is ready.
    def note(source)
      @ready << source
    end

    # Something is in the queue.
    def note_queue
      @ready << @queue unless queue_ready?
    end

    def queue_ready?
      @ready.include?(@queue)
    end

    # One connection from each ready source, and more where requests are short: a pass for each
    # would cost as much. The queue is for all workers, so a worker with long requests takes one.
    def admit_all
      return stand_back unless @ready.empty? || @sharing.slot?

      @ready.each do |source|
        began = @clock.time
        single = source.equal?(@queue)
        nil while take(source) && !(single && @sharing.slow?) && @clock.time - began < BRIEFLY
      end
      @ready.clear
    end

    # How many seconds the worker has to stand back; nil: it need not.
    def pause
      [@paused_until - @clock.now, 0].max if @paused && @paused_until > @clock.time
    end

    # After a pause, if there is room.
    def resume
      return unless @paused && @clock.time >= @paused_until
      return if @connections.full? && @connections.longest_idle.nil?

      @paused = false
      @listeners.each { |listener| @poller.read(listener) }
      @poller.read(@queue) unless @queue.over? || @deadlines.finishing?
    end

    # For good. Connections that nobody has taken yet are left to the other workers.
    def stop
      @stopped = true
      sources.each { |source| @poller.forget(source) }
      @listeners.each(&:close).clear
    end

    def stopped?
      @stopped
    end

    # After `stop`, when all workers are to end: takes a connection that is left in the queue.
    # False: there was none.
    def relieve_queue
      return false unless @queue.shut?

      socket, peer, deadline = @queue.next_connection
      return false unless socket

      @poller.read(@queue)
      admit(socket, peer, deadline)
      true
    rescue *NO_DESCRIPTORS
      false
    end

    def close
      sources.each(&:close)
    end

    private

    def sources
      [*@listeners, @queue]
    end

    # True: there was a connection.
    def take(source)
      return false if @deadlines.finishing? && !(@queue.shut? && source.equal?(@queue))

      idle = @connections.longest_idle if (full = @connections.full?)
      return pause_sources if full && idle.nil?

      socket, peer, deadline = source.next_connection
      return leave_queue_if_over unless socket

      @connections.drop(idle) if idle
      admit(socket, peer, deadline)
      true
    rescue *NO_DESCRIPTORS => e
      Log.complaint("accept.failed", reason: e.message)
      (idle = @connections.longest_idle) ? @connections.drop(idle) : sleep(PAUSE)
      false
    end

    def leave_queue_if_over
      @poller.forget(@queue) if @queue.over?
      false
    end

    def admit(socket, peer, deadline)
      @clock.update
      connection = @connections.add(socket, peer)
      @deadlines.admit(connection, deadline)
      @admitted.call(connection)
    end

    # The workers with CPU slots take what is there.
    def stand_back
      @ready.clear
      @paused_until = @clock.time + CpuSlots::PATIENCE
      pause_sources
    end

    def pause_sources
      @paused = true
      sources.each { |source| @poller.forget(source) }
      false
    end
  end
end
