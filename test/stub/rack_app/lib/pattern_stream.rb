# frozen_string_literal: true

# A body of `bytes` bytes that any program can compute: a block of 65,521 pseudo-random bytes,
# repeated. The length is a prime, so a piece that is lost, doubled or swapped changes the digest.
class PatternStream
  BLOCK = Random.new(42).bytes(65_521).freeze
  # Beyond the second one, sockets hold nothing more of what a client does not read.
  PAUSES_AT = [1_000_000, 16_000_000].freeze

  # pause: seconds, at these bytes.
  def initialize(bytes, piece, pause = 0)
    @pause = pause
    @bytes = bytes
    @piece = piece.clamp(1, BLOCK.bytesize)
  end

  def each
    return to_enum(:each) unless block_given?

    position = 0
    while position < @bytes
      offset = position % BLOCK.bytesize
      length = [@piece, @bytes - position, BLOCK.bytesize - offset].min
      yield BLOCK.byteslice(offset, length)
      sleep @pause if PAUSES_AT.any? { |at| (position...(position + length)).cover?(at) }
      position += length
    end
  end
end
