# frozen_string_literal: true

require "socket"
require_relative "raw_client"

# Thousands of clients that hold WebSockets and event streams, in processes of their own: a process
# has too few descriptors and ports for all. Each process has an address of its own. Start it before
# the server, so that its descriptors are not taken for the server's (ProcessTree).
class Crowd
  PROCESSES = 4
  # Connections that a process opens at once: of all, fewer than PassengerMaxRequestQueueSize.
  AT_ONCE = 20
  UPGRADE = { "Connection" => "Upgrade", "Upgrade" => "capitals" }.freeze
  EVENTS = "/events"

  # The clients of one process.
  class Part
    def initialize(address)
      @address = address
      Process.setrlimit(:NOFILE, Process.getrlimit(:NOFILE).last)
      @upgraded = Hash.new { |hash, site| hash[site] = [] }
      @events = Hash.new { |hash, site| hash[site] = [] }
    end

    # Opens `count` connections of each kind. Returns the numbers of answers by status.
    def open(port, site, count)
      statuses = Hash.new(0)
      [[@upgraded, "/upgrade", UPGRADE], [@events, EVENTS, {}]].each do |held, path, headers|
        Array.new(count).each_slice(AT_ONCE) do |slice|
          raws = slice.map { RawClient.new(port, site, from: @address) }
          raws.each { |raw| raw.request("GET", path, headers) }
          heads = raws.map(&:read_head)
          heads.each { |head| statuses[head.status] += 1 }
          held[site].concat(raws)
        end
      end
      statuses
    end

    # What comes back to all upgraded ones: a Hash from text to number.
    def echoes(site)
      @upgraded[site].each { |raw| raw.write("hello\n") }
      @upgraded[site].map { |raw| raw.read_bytes(6) }.tally
    end

    # The next event of each stream. Nil: the stream has ended in order.
    def events(site)
      @events[site].map(&:read_chunk).tally
    end

    # How many connections of this kind have ended, up to the first one that does not end. All are
    # closed.
    def ends(site, kind)
      raws = { upgraded: @upgraded, events: @events }.fetch(kind).delete(site).to_a
      raws.take_while(&:ended?).size
    ensure
      raws&.each(&:close)
    end
  end

  def initialize
    @parts = []
    PROCESSES.times { |number| @parts << start("127.0.1.#{number + 1}") }
  end

  # Calls the method of all Parts at the same time. Numbers in Hashes are added up.
  def call(method, *arguments)
    @parts.each { |socket, _| Marshal.dump([method, *arguments], socket) }
    results = @parts.map { |socket, _| Marshal.load(socket) } # rubocop:disable Security/MarshalLoad
    results.each { |one| raise one if one.is_a?(Exception) }
    results.reduce { |sum, one| sum.is_a?(Hash) ? sum.merge(one) { |_, a, b| a + b } : sum + one }
  end

  # `count`: a multiple of PROCESSES.
  def open(port, site, count)
    call(:open, port, site, count / PROCESSES)
  end

  def finish
    @parts.each do |socket, pid|
      socket.close
      Process.wait(pid)
    end
  end

  private

  def start(address)
    ours, theirs = UNIXSocket.pair
    pid = fork do
      ours.close
      @parts.each { |socket, _| socket.close }
      serve(Part.new(address), theirs)
    ensure
      exit!
    end
    theirs.close
    [ours, pid]
  end

  def serve(part, socket)
    loop do
      method, *arguments = Marshal.load(socket) # rubocop:disable Security/MarshalLoad
      answer = begin
        result = part.public_send(method, *arguments)
        result.is_a?(Hash) ? Hash[result] : result.to_i
      rescue StandardError => e
        RuntimeError.new("#{e.class}: #{e.message} (#{e.backtrace.first(3).join(', ')})")
      end
      Marshal.dump(answer, socket)
    end
  rescue EOFError
    nil
  end
end
