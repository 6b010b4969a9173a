# frozen_string_literal: true

require "socket"
require_relative "frame"

module PhusionPassenger
  # Frames over one end of a SOCK_STREAM pair. One thread reads; any thread may write. Other
  # processes may share the descriptor, so its flags do not change but in `write_at_once`.
  class FrameSocket
    attr_reader :io

    def self.for_fd(number)
      io = UNIXSocket.for_fd(number)
      io.close_on_exec = true
      new(io)
    end

    def initialize(io)
      @io = io
      @write_lock = Mutex.new
    end

    # The next frame, or nil at the end. Raises ProtocolError, after which the socket is closed. A
    # CHANNEL comes without its descriptor if the process has no room for it.
    def read
      header, descriptors = read_header
      return nil unless header

      length, type, count = header.unpack(Frame::HEADER)
      check(length, type, count, descriptors)
      Frame.new(type, Frame.decode_fields(read_exactly(length)), descriptors)
    rescue ProtocolError
      descriptors&.each(&:close)
      close
      raise
    rescue Errno::ECONNRESET
      nil
    end

    # Sends a frame without fields, unless the socket is so full that the caller would have to wait.
    def write_if_room(type)
      bytes = Frame.new(type).encode
      @write_lock.synchronize { @io.sendmsg(bytes, 0) if IO.select(nil, [@io], nil, 0) }
    end

    # Sends a frame; the caller keeps the descriptors. Raises SystemCallError if the peer has gone.
    def write(type, *fields, descriptors: [])
      bytes = Frame.new(type, fields, descriptors).encode
      controls = descriptors.empty? ? [] : [Socket::AncillaryData.unix_rights(*descriptors)]
      @write_lock.synchronize do
        sent = @io.sendmsg(bytes, 0, nil, *controls)
        while sent < bytes.bytesize
          sent += @io.sendmsg(bytes.byteslice(sent, bytes.bytesize - sent), 0)
        end
      end
    end

    # For the last frames of a process, which may not wait (Failure): sends what the socket has room
    # for. The descriptor no longer blocks after it; `write` waits all the same.
    def write_at_once(type, *fields)
      @io.write_nonblock(Frame.new(type, fields).encode, exception: false)
    end

    def close
      @io.close
    end

    private

    # The descriptors come with the first byte.
    def read_header
      header, _, _, *controls = @io.recvmsg(Frame::HEADER_LENGTH, 0, nil, scm_rights: true)
      descriptors = controls.select { |one| one.cmsg_is?(:SOCKET, :RIGHTS) }.flat_map(&:unix_rights)
      if header.nil? || header.empty?
        descriptors.each(&:close)
        return nil
      end
      if header.bytesize < Frame::HEADER_LENGTH
        header << read_exactly(Frame::HEADER_LENGTH - header.bytesize)
      end
      [header, descriptors]
    end

    def check(length, type, count, descriptors)
      raise ProtocolError, "a frame of #{length} bytes" if length > Frame::MAX_LENGTH
      raise ProtocolError, "a frame with #{count} descriptors" if count > Frame::MAX_DESCRIPTORS
      return if count == descriptors.size || (type == Frame::Control::CHANNEL && descriptors.empty?)

      raise ProtocolError, "a frame announced #{count} descriptors, and #{descriptors.size} came"
    end

    def read_exactly(length)
      bytes = String.new(capacity: length, encoding: Encoding::BINARY)
      while bytes.bytesize < length
        piece = @io.recv(length - bytes.bytesize)
        if piece.nil? || piece.empty?
          raise ProtocolError, "the socket was closed in the middle of a frame"
        end

        bytes << piece
      end
      bytes
    end
  end
end
