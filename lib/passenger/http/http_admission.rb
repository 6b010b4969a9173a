# frozen_string_literal: true

require_relative "http_connection"
require_relative "http_deadlines"
require_relative "http_listener"
require_relative "../base/log"

module PhusionPassenger
  # The part of HttpServer by which connections come and go: accepted, taken out of the line, given away into it.
  module HttpAdmission
    include HttpDeadlines

    # To give a connection away is work for two workers, and it waits in the line. It is worth that for a single request where they usually take
    # longer, in seconds.
    WORTH = 0.0002
    # For so long, in seconds, one after the other is let in within a pass.
    BRIEFLY = 0.0005
    # With so many connections a worker needs no CPU slot: else those who have CPU slots would collect more than they may have.
    CROWD = 100
    NO_DESCRIPTORS = [Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS, Errno::ENOMEM].freeze
    # Until some may have been closed.
    PAUSE = 0.005
    private_constant :BRIEFLY, :CROWD, :NO_DESCRIPTORS, :PAUSE

    def idle_connections
      @connections.keys.select(&:idle?)
    end

    # True: it is another worker's matter now, or soon. Only where nothing of a request was read yet.
    def give_away(connection)
      return false unless connection.idle? && @line.give(connection)

      drop(connection)
      true
    end

    private

    # Gives those away that others shall serve. Some may have ended since they became ready, or have been given away.
    def share(waiting)
      waiting.select! { |connection| @connections.key?(connection) }
      @balance.note(waiting.size, @now)
      return if waiting.empty? || @balance.alone?

      if !slot?
        give_all_away(waiting)
      elsif slow?
        line_up(waiting)
      else
        even_out(waiting)
      end
    end

    def slow?
      @usual_time > WORTH
    end

    def slot?
      return true if @finishing
      return @cpu_slots.take(@now, @balance.workers) if @connections.size < CROWD

      @cpu_slots.leave
      true
    end

    # All wait in the one line, so that the longest wait is over first, whichever worker they came to. A single one before which nobody waits
    # would only come back.
    def line_up(waiting)
      return if waiting.size == 1 && !@entries.include?(@line)

      give_all_away(waiting)
      @entries << @line unless @entries.include?(@line)
    end

    # As far as there is room, and nothing of their requests was read.
    def give_all_away(waiting)
      waiting.reject! { |connection| give_away(connection) }
    end

    # Those that are too many, and never all.
    def even_out(waiting)
      return if waiting.size < 2

      waiting.pop([@balance.excess, waiting.size - 1].min).each { |connection| give_away(connection) ? @balance.gave : waiting << connection }
    end

    # One from each that has some, and more where requests take next to no time: a pass for each would cost as much. What is in the line is for
    # all workers: so where requests take longer it is one.
    def admit_all
      return stand_back unless @entries.empty? || slot?

      @entries.each do |entry|
        began = @now
        nil while enter(entry) && !(slow? && entry.equal?(@line)) && @now - began < BRIEFLY
      end
      @entries.clear
    end

    # From the listener, or from the line. True: there was one.
    def enter(entry)
      return false if @finishing && !(@line.shut? && entry.equal?(@line))

      full = @connections.size >= @limits.connections
      idle = longest_idle if full
      return pause_accepting if full && idle.nil?

      socket, peer, deadline = entry.next_connection
      return leave_queue_if_over unless socket

      drop(idle) if idle
      admit(socket, peer, deadline)
      true
    rescue *NO_DESCRIPTORS => e
      Log.complaint("accept.failed", reason: e.message)
      (idle = longest_idle) ? drop(idle) : sleep(PAUSE)
      false
    end

    def leave_queue_if_over
      @poller.forget(@line) if @line.over?
      false
    end

    # Its first request is often there, and with it it may end: so it is watched later.
    def admit(socket, peer, deadline)
      @now = now
      connection = HttpConnection.new(socket, peer, reader, @limits, @report)
      connection.deadline = deadline || (@now + @limits.request)
      connection.deadline = [connection.deadline, @now + FAREWELL].min if @finishing
      @connections[connection] = true
      guard(connection) { advance(connection) }
      guard(connection) { @poller.read(connection) if @connections.key?(connection) && !connection.blocked }
    end

    # Of those that have no request the one whose time is over first.
    def longest_idle
      @connections.keys.select(&:idle?).min_by(&:deadline)
    end

    # For a moment those that have CPU slots take what is there.
    def stand_back
      @entries.clear
      @paused_until = @now + CpuSlots::PATIENCE
      pause_accepting
    end

    # Until there is room, connections are the other workers' matter.
    def pause_accepting
      @paused = true
      [*@listeners, @line].each { |entry| @poller.forget(entry) }
      false
    end

    def resume_accepting
      return unless @connections.size < @limits.connections || @connections.each_key.any?(&:idle?)

      @paused = false
      @listeners.each { |listener| @poller.read(listener) }
      @poller.read(@line) unless @line.over? || @finishing
    end

    # The kernel's queue is the other workers', too, and so is the line: nothing in them is lost.
    def stop_accepting
      @stopped = true
      @listeners.each { |listener| @poller.forget(listener) }.each(&:close)
      @listeners = []
      @poller.forget(@line)
      @balance.leave
      @connections.each_key.to_a.each do |connection|
        next if connection.unsent? || give_away(connection)

        connection.deadline = [connection.deadline, @now + (connection.idle? ? FAREWELL : LAST_REQUEST)].min
      end
    end

    # While it ends, and all others, too: what is left in the line is served here. False: there was nothing to do.
    def relieve_queue
      return false unless @line.shut?

      socket, peer, deadline = @line.next_connection
      return false unless socket

      @poller.read(@line)
      admit(socket, peer, deadline)
      true
    rescue *NO_DESCRIPTORS
      false
    end
  end
end
