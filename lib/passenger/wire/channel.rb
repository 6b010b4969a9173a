# frozen_string_literal: true

require "socket"
require_relative "frame"
require_relative "hang_up"
require_relative "layout"
require_relative "../base/native"

module PhusionPassenger
  # The client has left, and the child gave the exchange up. Applications get this error when they
  # write a body, so it is that of a socket.
  class ClientGone < Errno::EPIPE
    # A `rescue` of a SystemCallError compares error numbers. Other pipes of the application do not
    # concern its client.
    def self.===(error)
      error.is_a?(self)
    end
  end

  # The request body ended too early. No EOFError, which is the normal end for IO.copy_stream.
  class BodyBrokenOff < IOError; end

  # The file with the request's body did not reach this process, which has no descriptor left.
  class BodyNotReceived < StandardError; end

  # The instance's end of one reply channel. One exchange uses it at a time, but application code
  # may go on after the last message of its answer, while the next exchange uses the channel.
  #
  # The agent shares the descriptor, so its flags never change. Writes block, without the
  # interpreter's lock.
  class Channel
    # Errors of a socket whose other end has gone, or which is closed.
    GONE = [Errno::EPIPE, Errno::ECONNRESET, Errno::ENOTCONN, IOError].freeze

    attr_reader :id

    def initialize(id, io)
      @id = id
      @io = io
      @lock = Mutex.new
      @borrowers = 0
      @retired = false
    end

    # Nil: it was retired meanwhile.
    def borrow
      @lock.synchronize do
        return if @retired

        @borrowers += 1
      end
      self
    end

    def give_back
      @lock.synchronize do
        @borrowers -= 1
        @io.close if @retired && @borrowers.zero?
      end
    end

    # No other exchange will use the channel. It closes when the current ones are over.
    def retire
      @lock.synchronize do
        @retired = true
        @io.close if @borrowers.zero?
      end
    end

    # In a process that the application forked, which has no part in the exchange.
    def close
      @io.close
    end

    # Raises ClientGone if the child gave the exchange up, which is a hang-up (HangUp). The child
    # may want no more of the request's body, and wait for the answer: that is none.
    def check
      raise EOFError if HangUp.seen?(@io)
    rescue *GONE
      raise ClientGone, "the client has closed its connection"
    end

    def send_message(bytes)
      @io.send(bytes, 0)
    rescue *GONE
      raise ClientGone, "the client has closed its connection"
    end

    # Sends a message without joining its parts; needs native code. False: the kernel did not take
    # the message at once.
    def send_parts(header, head, bytes)
      Native.transmit(@io, header, head, bytes)
    rescue *GONE
      raise ClientGone, "the client has closed its connection"
    end

    def send_descriptor(bytes, io)
      @io.sendmsg(bytes, 0, nil, Socket::AncillaryData.unix_rights(io))
    rescue *GONE
      raise ClientGone, "the client has closed its connection"
    end

    # The next message and its files, which the caller closes. Raises BodyBrokenOff as `receive_now`
    # does.
    def receive_with_files
      limit = Layout::MESSAGE_LIMIT + 1
      bytes, _sender, _flags, *controls = @io.recvmsg(limit, 0, nil, scm_rights: true)
      raise EOFError if bytes.nil? || bytes.empty? # it is one or the other, by Ruby's version

      [bytes, controls.select { |one| one.cmsg_is?(:SOCKET, :RIGHTS) }.flat_map(&:unix_rights)]
    rescue Errno::EINTR
      retry
    rescue *GONE
      raise BodyBrokenOff, "the request's body was broken off"
    end

    # Replaces the buffer with the next message. False: there is none yet. Raises BodyBrokenOff if
    # the child gave the exchange up.
    def receive_now(buffer)
      bytes = @io.recv_nonblock(Layout::MESSAGE_LIMIT + 1, 0, buffer, exception: false)
      raise EOFError if bytes.nil? || bytes.empty? # it is one or the other, by Ruby's version

      bytes != :wait_readable
    rescue *GONE # EOFError is an IOError
      raise BodyBrokenOff, "the request's body was broken off"
    end

    # Waits for a message, or for the end. It may be another thread's when this returns.
    def await_message
      @io.wait_readable
    rescue *GONE
      raise BodyBrokenOff, "the request's body was broken off"
    end
  end
end
