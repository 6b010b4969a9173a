# frozen_string_literal: true

require_relative "../base/log"
require_relative "http_reply"
require_relative "http_request_body"

module PhusionPassenger
  # Sends answers on, and ends connections: after the last answer, after a failure, and when a
  # deadline is over.
  class HttpOutput
    def initialize(connections, deadlines)
      @connections = connections
      @deadlines = deadlines
    end

    # Yields. A failure ends this connection only.
    def guard(connection)
      yield
    rescue ClientGone
      @connections.drop(connection)
    rescue RefusedRequest => e
      guard(connection) { refuse(connection, e) }
    rescue Errno::EPIPE # of the report; a client's is a ClientGone
      raise
    rescue StandardError => e
      Log.exception("connection.failed", e)
      @connections.drop(connection)
    end

    # Sends what the client takes of the answer.
    def write_on(connection)
      return wait_for_room(connection) unless connection.flush

      @connections.watch_input(connection) if connection.blocked
      connection.blocked = false
      connection.state == :close ? end_connection(connection) : await_request(connection)
    end

    # The client gets what was sent already, and sees that something is missing.
    def break_off(connection)
      connection.flush
      reset(connection)
    end

    # The connection's deadline is over. A request that has come in time and waits for its turn is
    # not late.
    def time_out(connection)
      return @connections.drop(connection) if connection.idle? || connection.state == :linger
      return time_out_answer(connection) if connection.unsent?
      return if connection.behind?

      seconds = @deadlines.request_time
      raise RefusedRequest.new(408, "the request did not arrive within #{seconds} seconds")
    end

    # The line of an answer's head. It is made once each second.
    def date_line
      seconds = Process.clock_gettime(Process::CLOCK_REALTIME, :second)
      return @date_line if seconds == @date_of

      @date_of = seconds
      @date_line = "Date: #{Time.at(seconds).utc.strftime('%a, %d %b %Y %H:%M:%S GMT')}\r\n".freeze
    end

    private

    def wait_for_room(connection)
      unless connection.blocked
        connection.blocked = true
        @connections.watch_room(connection)
        @deadlines.begin_wait(connection)
      end
      connection.note_queue
      @deadlines.be_patient(connection)
    end

    def await_request(connection)
      return @deadlines.await_request(connection) unless connection.reader.pending?

      @deadlines.begin_request(connection)
      @connections.queue(connection)
    end

    # A close while the client's bytes are unread would reset the connection, and the client could
    # lose its last answer.
    def end_connection(connection)
      unread = connection.reader.pending? || connection.refused || connection.unread?
      return @connections.drop(connection) unless unread

      connection.end_output
      @deadlines.linger(connection)
    end

    def refuse(connection, refusal)
      text = "#{refusal.message}\n"
      connection.write("#{HttpReply.status_lines[refusal.status]}Content-Type: text/plain\r\n" \
                       "Content-Length: #{text.bytesize}\r\nConnection: close\r\n" \
                       "#{date_line}\r\n#{text}")
      connection.refused = true
      connection.state = :close
      write_on(connection)
    end

    def time_out_answer(connection)
      moved = connection.moved?
      in_time = connection.deadline < connection.answer_deadline
      return @deadlines.be_patient(connection) if moved && in_time

      connection.complain_of_slowness(!in_time)
      reset(connection)
    end

    def reset(connection)
      @connections.release(connection)
      connection.reset
    end
  end
end
