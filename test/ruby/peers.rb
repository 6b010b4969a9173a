# frozen_string_literal: true

require "fcntl"
require "socket"

module PhusionPassenger
  # The other sides of the protocols. They implement doc/PROTOCOLS.md independently, and share no
  # code with the tested classes.
  module Peers
    Message = Struct.new(:ticket, :type, :flags, :status, :head_length, :queued, :sticky_id,
                         :payload) do
      def last?
        flags.anybits?(1)
      end

      def head
        payload.byteslice(0, head_length)
      end

      def body
        payload.byteslice(head_length, payload.bytesize)
      end
    end

    # The fields of SERVE.
    def self.serve_fields(cell: 0, threads: 1, max_requests: 0, sticky_id: 0, refork_after: 0,
                          heartbeat_interval: 0, paused: false, warms_up: false)
      [cell, threads, "/srv/probe (test)", max_requests, sticky_id, refork_after,
       heartbeat_interval, paused ? 1 : 0, warms_up ? 1 : 0]
    end

    ENVIRONMENT = {
      "REQUEST_METHOD" => "GET", "SCRIPT_NAME" => "", "PATH_INFO" => "/", "QUERY_STRING" => "",
      "SERVER_NAME" => "localhost", "SERVER_PORT" => "80", "SERVER_PROTOCOL" => "HTTP/1.1",
      "HTTP_HOST" => "localhost",
      "REMOTE_ADDR" => "127.0.0.1"
    }.freeze

    # A memory file like the agent's.
    def self.memory_file(magic, length)
      file = File.open("/tmp", File::RDWR | File::TMPFILE | File::EXCL, 0o600)
      file.binmode
      file.sync = true
      file.truncate(length)
      file.pwrite([magic, 3, 0, 0].pack("a4vvV"), 0)
      file
    end

    def self.environment_bytes(environment)
      environment = { "REQUEST_URI" => environment["PATH_INFO"] }.compact.merge(environment)
      environment.flat_map { |pair| pair.map { |text| "#{text}\0".b } }.join
    end

    # In nanoseconds.
    def self.now
      Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond)
    end

    # A pair of blocking sockets, like the agent's. Ruby makes its own sockets non-blocking.
    def self.pair(type)
      UNIXSocket.pair(type).each do |io|
        io.fcntl(Fcntl::F_SETFL, io.fcntl(Fcntl::F_GETFL) & ~Fcntl::O_NONBLOCK)
      end
    end

    # The two ends of a queue. One direction is shut, so that the end of the other is a hang-up.
    def self.queue
      pair(:SEQPACKET).each_with_index { |io, index| io.shutdown(Socket::SHUT_WR) if index == 1 }
    end

    # A Group's queue, claims and withdrawal marks, and httpd children with one channel each.
    class Group
      attr_reader :sender, :receiver, :claims, :withdrawals

      def initialize
        @sender, @receiver = Peers.queue
        @claims = Peers.memory_file("PCLM", 64 + 32 * 1024)
        @withdrawals = Peers.memory_file("PMRK", 16_512 + 8 * 65_536)
      end

      def close
        [@sender, @receiver, @claims, @withdrawals].each { |io| io.close unless io.closed? }
      end

      def closed?
        @sender.closed?
      end

      def claim(cell)
        @claims.pread(16, 64 + 32 * cell).unpack("Q<Q<")
      end

      def write_claim(cell, channel, ticket)
        @claims.pwrite([channel, ticket].pack("Q<Q<"), 64 + 32 * cell)
      end

      # The requests that the cell's owner has counted, and when the last one ended.
      def answered(cell)
        @claims.pread(16, 80 + 32 * cell).unpack("Q<Q<")
      end

      def write_answered(cell, count)
        @claims.pwrite([count].pack("Q<"), 80 + 32 * cell)
      end

      def withdrawal(channel, ticket)
        mark(channel & 0xFFFF, ((channel >> 16) & 0xFFFF_FFFF) << 32 | ticket)
      end

      def mark(slot, mark)
        @withdrawals.pwrite([mark].pack("Q<"), 16_512 + 8 * slot)
      end

      # Returns the part of the body that did not fit: the child sends that in BODY messages.
      def send(channel:, ticket:, environment: ENVIRONMENT, body: "", flags: 0,
               version: Layout::VERSION, head_length: nil, resends: 0,
               sent_at: Peers.now)
        head = environment.is_a?(String) ? environment.b : Peers.environment_bytes(environment)
        header = [version, flags, resends, head_length || head.bytesize, channel, ticket,
                  sent_at].pack("CCvVQ<Q<Q<")
        message = header + head + body.b
        @sender.sendmsg(message.byteslice(0, 65_600))
        message.byteslice(65_600, message.bytesize) || ""
      end

      # Sends a request in one message of that length.
      def send_message(length, channel:, ticket:)
        head = Peers.environment_bytes(ENVIRONMENT)
        header = [Layout::VERSION, 0, 0, head.bytesize, channel, ticket,
                  Peers.now].pack("CCvVQ<Q<Q<")
        @sender.sendmsg((header + head).ljust(length, "x"))
      end

      def end_queue
        @sender.shutdown(Socket::SHUT_WR)
      end
    end

    # An httpd child's end of a reply channel.
    class Child
      attr_reader :io

      def initialize(io)
        @io = io
      end

      # Nil at the end.
      def receive
        bytes, = @io.recvmsg(70_000)
        return nil if bytes.nil? || bytes.empty?

        raise "a message of #{bytes.bytesize} bytes" if bytes.bytesize > 65_600

        Message.new(*bytes.unpack("Q<CCvVVVa*"))
      end

      # Receives up to the last message: status, head, body, and the messages.
      def answer
        messages = [receive]
        messages << receive until messages.last.nil? || messages.last.last?
        first = messages.first
        payload = messages.map { |message| message&.payload }.join
        [first.status, payload.byteslice(0, first.head_length),
         payload.byteslice(first.head_length..), messages]
      end

      # httpd has the body in a file.
      def send_body_file(ticket, file, size)
        message = [ticket, 33, 1, 0, 0, 0, 0, size].pack("Q<CCvVVVQ<")
        @io.sendmsg(message, 0, nil, Socket::AncillaryData.unix_rights(file))
      end

      def send_body(ticket, bytes, last: false, type: 32)
        @io.sendmsg([ticket, type, last ? 1 : 0, 0, 0, 0, 0].pack("Q<CCvVVV") + bytes.b)
      end
    end
  end
end
