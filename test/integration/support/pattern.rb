# frozen_string_literal: true

require "openssl"
require_relative "../../stub/rack_app/lib/pattern_stream"

# The bytes that the sample applications send for a download, and that tests upload.
module Pattern
  # Reads like a file.
  class Reader
    def initialize(bytes)
      @pieces = PatternStream.new(bytes, 65_521).to_enum(:each)
      @left = +"".b
    end

    def read(length = nil, buffer = +"")
      fill(length || Float::INFINITY)
      return (length ? nil : buffer.replace("")) if @left.empty?

      buffer.replace(@left.slice!(0, length || @left.bytesize))
    end

    # The method by which Net::HTTP's chunked writer reads.
    def readpartial(length, buffer = +"")
      read(length, buffer) or raise EOFError
    end

    private

    def fill(length)
      @left << @pieces.next while @left.bytesize < length
    rescue StopIteration
      nil
    end
  end

  DIGESTS = Hash.new do |digests, size|
    # Ruby's own needs seven times as long.
    digest = OpenSSL::Digest::SHA256.new
    PatternStream.new(size, 65_521).each { |piece| digest << piece }
    digests[size] = digest.hexdigest
  end
  private_constant :DIGESTS

  module_function

  def bytes(size)
    PatternStream.new(size, 65_521).each.to_a.join
  end

  def digest(size)
    DIGESTS[size]
  end
end
