# frozen_string_literal: true

require "socket"
require_relative "frame"
require_relative "layout"
require_relative "../base/native"

module PhusionPassenger
  # The child left: what was being done for it is dropped. Applications meet it where they write a body.
  class ClientGone < IOError; end

  # The request body ended before its end.
  class BodyBrokenOff < EOFError; end

  # The instance's end of one reply channel. At most one exchange uses it at a time. Its descriptor is shared with the
  # agent, so its flags are never changed: reads and writes block, without the interpreter's lock, whatever they are.
  class Channel
    GONE = [Errno::EPIPE, Errno::ECONNRESET, Errno::ENOTCONN, IOError].freeze
    private_constant :GONE

    attr_reader :id

    def initialize(id, io)
      @id = id
      @io = io
      @busy = false
      @retired = false
    end

    def borrow
      @busy = true
      self
    end

    def give_back
      @busy = false
      @io.close if @retired
    end

    # The channel will not be used for another exchange. It is closed as soon as none uses it.
    def retire
      @retired = true
      @io.close unless @busy
    end

    # In the application's own forks, where the exchange is none of their business.
    def close
      @io.close
    end

    def send_message(bytes)
      @io.send(bytes, 0)
    rescue *GONE
      raise ClientGone, "the client has gone"
    end

    # The same without putting the parts together first; needs native code. False: it could not be sent at once.
    def send_parts(header, head, bytes)
      Native.transmit(@io, header, head, bytes)
    rescue *GONE
      raise ClientGone, "the client has gone"
    end

    def send_descriptor(bytes, io)
      @io.sendmsg(bytes, 0, nil, Socket::AncillaryData.unix_rights(io))
    rescue *GONE
      raise ClientGone, "the client has gone"
    end

    # The next message and the files that came with it, which are the caller's to close. Raises BodyBrokenOff as receive does.
    def receive_with_files
      bytes, _sender, _flags, *controls = @io.recvmsg(Layout::MESSAGE_LIMIT + 1, 0, nil, scm_rights: true)
      raise EOFError if bytes.nil? || bytes.empty? # it is one or the other, by Ruby's version

      [bytes, controls.flat_map { |control| control.cmsg_is?(:SOCKET, :RIGHTS) ? control.unix_rights : [] }]
    rescue Errno::EINTR
      retry
    rescue *GONE
      raise BodyBrokenOff, "the request body was broken off"
    end

    # Replaces the buffer by the next message. Raises BodyBrokenOff when the child gave the exchange up.
    def receive(buffer)
      @io.sysread(Layout::MESSAGE_LIMIT + 1, buffer)
    rescue Errno::EINTR
      retry
    rescue *GONE # EOFError is an IOError
      raise BodyBrokenOff, "the request body was broken off"
    end
  end
end
