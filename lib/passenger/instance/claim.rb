# frozen_string_literal: true

require_relative "../wire/layout"
require_relative "../base/native"

module PhusionPassenger
  # A cell of the Group's claims, and the look at the withdrawal marks. Each handler thread owns one
  # and calls it alone. The claim is in its cell before the mark is read: a child writes the mark
  # first and reads the claims then, so one of the two sees the other (doc/PROTOCOLS.md, section 2).
  # test/claims/cases has the cases that Ruby, C (ext/claims) and C++ (InstanceClaim) share.
  class Claim
    # The length of the claim itself. Behind it in the cell are the number of answered requests and
    # the time of the last one.
    LENGTH = Layout::Claims::ANSWERED_OFFSET
    NONE = ("\0" * LENGTH).b.freeze
    REQUEST = "@#{Layout::Request::CHANNEL_OFFSET}Q<Q<"
    MOST_ANSWERED = 0xFFFF_FFFF_FFFF_FFFF
    private_constant :LENGTH, :NONE, :REQUEST, :MOST_ANSWERED

    # `claims` and `withdrawals` stay the caller's.
    def self.in_cell(claims, withdrawals, cell)
      offset = Layout::Claims::HEADER_LENGTH + Layout::Claims::CELL_LENGTH * cell
      (Native::LOADED ? Native::Claim : self).new(claims, withdrawals, offset)
    end

    def initialize(claims, withdrawals, offset)
      @claims = claims
      @withdrawals = withdrawals
      @offset = offset
      @word = String.new(capacity: 8, encoding: Encoding::BINARY)
      @closed = false
    end

    # Claims the request of this message, then looks at its mark. False: the request is withdrawn
    # and must not run. In both cases the claim stays until `clear` or `complete`.
    def take(message)
      return false if @closed

      channel, ticket = message.unpack(REQUEST)
      @claims.pwrite(message.byteslice(Layout::Request::CHANNEL_OFFSET, LENGTH), @offset)
      !withdrawn?(channel, ticket)
    end

    # After SKIPPED: the request did not run.
    def clear
      @claims.pwrite(NONE, @offset) unless @closed
    end

    # After the last message of the answer. Counts the request.
    def complete
      return if @closed

      @claims.pread(8, @offset + LENGTH, @word)
      answered = (@word.unpack1("Q<") + 1) & MOST_ANSWERED
      now = Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond)
      @claims.pwrite([0, 0, answered, now].pack("Q<4"), @offset)
    end

    # For a process that the application forked: the cell stays the instance's.
    def close
      @closed = true
    end

    private

    # A mark with another serial belongs to a later channel of the slot.
    def withdrawn?(channel, ticket)
      slot = channel % Layout::Withdrawals::SLOTS
      @withdrawals.pread(8, Layout::Withdrawals::TICKETS_OFFSET + 8 * slot, @word)
      withdrawn_ticket, serial = @word.unpack("VV")
      serial != (channel >> 16) & 0xFFFF_FFFF || withdrawn_ticket >= ticket
    end
  end
end
