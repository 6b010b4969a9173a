# frozen_string_literal: true

require_relative "http_connection"
require_relative "http_deadlines"
require_relative "http_listener"
require_relative "log"

module PhusionPassenger
  # The part of HttpServer by which connections come and go: accepted, taken out of the line, given away into it.
  module HttpAdmission
    include HttpDeadlines

    # To give a connection away is work for two workers, and it waits in the line. It is worth that where requests usually take longer, in seconds;
    # of shorter ones, for those that would wait here longer.
    WORTH = 0.0002
    WAIT = 0.002
    NO_DESCRIPTORS = [Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS, Errno::ENOMEM].freeze
    # Until some may have been closed.
    PAUSE = 0.005
    private_constant :NO_DESCRIPTORS, :PAUSE

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

    # Gives away those that would have to wait here for long. Some may have ended since they became ready, or have been given away.
    def share(waiting)
      waiting.select! { |connection| @connections.key?(connection) }
      kept = @usual_time > WORTH ? 1 : (WAIT / @usual_time).ceil
      waiting.slice!(kept..)&.each { |connection| give_away(connection) || waiting << connection }
    end

    # From the listener, or from the line.
    def enter(entry)
      return if @finishing && !(@line.shut? && entry.equal?(@line))

      full = @connections.size >= @limits.connections
      idle = longest_idle if full
      return pause_accepting if full && idle.nil?

      io, peer, deadline = entry.next_connection
      return @line.over? && @readers.delete(@line) unless io

      drop(idle) if idle
      connection = admit(io, peer, deadline)
      guard(connection) { advance(connection) }
    rescue *NO_DESCRIPTORS => e
      Log.complaint("accept.failed", reason: e.message)
      (idle = longest_idle) ? drop(idle) : sleep(PAUSE)
    end

    def admit(io, peer, deadline)
      @now = now
      connection = HttpConnection.new(io, peer, reader, @limits, @report)
      connection.deadline = [deadline || (@now + @limits.request), *(@now + FAREWELL if @finishing)].min
      @connections[connection] = true
      @readers << connection
      connection
    end

    # Of those that have no request the one whose time is over first.
    def longest_idle
      @connections.keys.select(&:idle?).min_by(&:deadline)
    end

    # Until there is room, connections are the other workers' matter.
    def pause_accepting
      @paused = true
      [*@listeners, @line].each { |entry| @readers.delete(entry) }
    end

    def resume_accepting
      return unless @connections.size < @limits.connections || @connections.each_key.any?(&:idle?)

      @paused = false
      @readers.concat(@listeners)
      @readers << @line unless @line.over? || @finishing
    end

    # The kernel's queue is the other workers', too, and so is the line: nothing in them is lost.
    def stop_accepting
      @stopped = true
      @listeners.each { |listener| @readers.delete(listener) }.each(&:close)
      @listeners = []
      @readers.delete(@line)
      @connections.each_key.to_a.each do |connection|
        next if connection.unsent? || give_away(connection)

        connection.deadline = [connection.deadline, @now + (connection.idle? ? FAREWELL : LAST_REQUEST)].min
      end
    end

    # While it ends, and all others, too: what is left in the line is served here. False: there was nothing to do.
    def relieve_line
      return false unless @line.shut?

      io, peer, deadline = @line.next_connection
      return false unless io

      connection = admit(io, peer, deadline)
      @readers << @line unless @readers.include?(@line)
      guard(connection) { advance(connection) }
      true
    rescue *NO_DESCRIPTORS
      false
    end
  end
end
