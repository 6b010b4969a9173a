# frozen_string_literal: true

require_relative "http_deadlines"
require_relative "http_reply"

module PhusionPassenger
  # The part of HttpServer by which answers leave, and connections end.
  module HttpOutput
    # How long, in seconds, what a client sends is still read after its last answer, or a refusal.
    LINGERING = 2
    # So many readers of requests are kept for the next connections.
    SPARE_READERS = 32
    private_constant :LINGERING, :SPARE_READERS

    private

    # What was sent already goes out, but never looks whole.
    def break_off(connection)
      connection.flush
      release(connection)
      connection.reset
    end

    def write_on(connection)
      return wait_for_room(connection) unless connection.flush

      @poller.read(connection) if connection.blocked
      connection.blocked = false
      connection.state == :close ? end_connection(connection) : await_request(connection)
    end

    def wait_for_room(connection)
      unless connection.blocked
        connection.blocked = true
        @poller.write(connection)
        connection.answer_deadline = @now + @limits.answer
      end
      connection.note_queue
      be_patient(connection)
    end

    def await_request(connection)
      pending = connection.reader.pending?
      # Until it has stopped, it may yet give it away, with all the time that it has.
      connection.deadline = @now + (pending ? request_time : (@stopped ? FAREWELL : @limits.idle))
      connection.queued ||= @ready << connection if pending
    end

    # Where the client has sent more than was read, closing would reset the connection, and its last answer could be lost.
    def end_connection(connection)
      return drop(connection) unless connection.reader.pending? || connection.refused || connection.unread?

      connection.end_output
      connection.deadline = @now + LINGERING
    end

    def refuse(connection, refusal)
      text = "#{refusal.message}\n"
      connection.write("#{HttpReply.status_lines[refusal.status]}Content-Type: text/plain\r\nContent-Length: #{text.bytesize}\r\n" \
                       "Connection: close\r\n#{date_line}\r\n#{text}")
      connection.refused = true
      connection.state = :close
      write_on(connection)
    end

    def drop(connection)
      known = release(connection)
      connection.close
      # Never twice: then two connections would have the same.
      @readers << connection.reader.start_over if known && @readers.size < SPARE_READERS
    end
  end
end
