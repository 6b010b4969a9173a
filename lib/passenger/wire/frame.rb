# frozen_string_literal: true

module PhusionPassenger
  # The peer does not follow doc/PROTOCOLS.md.
  class ProtocolError < StandardError; end

  # One frame of section 4 of doc/PROTOCOLS.md: a type, fields, descriptors. The reader of a frame
  # owns its descriptors.
  class Frame
    VERSION = "1"

    MAX_LENGTH = 1024 * 1024
    MAX_FIELDS = 65_535
    MAX_DESCRIPTORS = 16
    HEADER_LENGTH = 8
    HEADER = "Vvv"

    # Spawn protocol.
    module Spawn
      HELLO = 32
      START = 33
      STARTED = 34
      FAILED = 35
      IDLE = 36
      FORKED = 37
      GO = 38
    end

    # Control socket of preloaders and instances.
    module Control
      HELLO = 48
      LOAD = 49
      STEP = 50
      LOADED = 51
      FAILED = 52
      FORK = 53
      FORKED = 54
      SERVE = 55
      READY = 56
      FETCH = 57
      CHANNEL = 58
      NO_CHANNEL = 59
      DROP = 60
      FINISH = 61
      LIMIT_REACHED = 62
      PAUSE = 63
      WARM = 80
      REFORK = 81
      HEARTBEAT = 82
      THREADS = 83
      # The time that an instance gives the requests that it has when FINISH comes.
      FINISH_SECONDS = 60
    end

    attr_reader :type, :fields, :descriptors

    def initialize(type, fields = [], descriptors = [])
      @type = type
      @fields = fields
      @descriptors = descriptors
    end

    # The frame's bytes. Raises ProtocolError if they are over a limit.
    def encode
      raise ProtocolError, "a frame has at most #{MAX_FIELDS} fields" if @fields.size > MAX_FIELDS
      if @descriptors.size > MAX_DESCRIPTORS
        raise ProtocolError, "a frame has at most #{MAX_DESCRIPTORS} descriptors"
      end

      body = String.new(encoding: Encoding::BINARY)
      @fields.each do |field|
        bytes = field.to_s.b
        body << [bytes.bytesize].pack("V") << bytes
      end
      raise ProtocolError, "a frame has at most #{MAX_LENGTH} bytes" if body.bytesize > MAX_LENGTH

      [body.bytesize, @type, @descriptors.size].pack(HEADER) << body
    end

    # Parses the bytes after the header.
    def self.decode_fields(bytes)
      fields = []
      position = 0
      while position < bytes.bytesize
        if position + 4 > bytes.bytesize
          raise ProtocolError, "a field's length reaches beyond its frame"
        end

        length = bytes.byteslice(position, 4).unpack1("V")
        position += 4
        if length > bytes.bytesize - position
          raise ProtocolError, "a field reaches beyond its frame"
        end
        if fields.size == MAX_FIELDS
          raise ProtocolError, "a frame with more than #{MAX_FIELDS} fields"
        end

        fields << bytes.byteslice(position, length)
        position += length
      end
      fields
    end

    # The fields from `first` on as a map.
    def map(from = 0)
      pairs = @fields.drop(from)
      raise ProtocolError, "a map's last name has no value" if pairs.size.odd?

      Hash[pairs.each_slice(2).to_a]
    end

    def number(index)
      text = @fields[index]
      unless text&.match?(/\A\d{1,20}\z/)
        raise ProtocolError, "field #{index} of frame #{@type} is not a number"
      end

      text.to_i
    end

    def text(index)
      @fields[index] or raise ProtocolError, "frame #{@type} has no field #{index}"
    end

    # The frame's descriptors. Raises ProtocolError unless there are `count` of them.
    def take_descriptors(count)
      return @descriptors if @descriptors.size == count

      close_descriptors
      raise ProtocolError,
            "frame #{@type} came with #{@descriptors.size} descriptors instead of #{count}"
    end

    def close_descriptors
      @descriptors.each(&:close)
    end
  end
end
