# frozen_string_literal: true

require_relative "../wire/layout"
require_relative "../base/native"

module PhusionPassenger
  # A cell of the Group's claims, and the marks that say which tickets were withdrawn. One for each thread that takes requests, whose
  # order is the law: first the claim, then the look at the mark.
  class Claim
    LENGTH = Layout::Claims::CELL_LENGTH
    NONE = ("\0" * LENGTH).b.freeze
    private_constant :LENGTH, :NONE

    # `claims` and `marks` stay the caller's.
    def self.in_cell(claims, withdrawals, cell)
      offset = Layout::Claims::HEADER_LENGTH + LENGTH * cell
      (Native::LOADED ? Native::Claim : self).new(claims, withdrawals, offset)
    end

    def initialize(claims, withdrawals, offset)
      @claims = claims
      @withdrawals = withdrawals
      @offset = offset
      @withdrawal = String.new(capacity: 8, encoding: Encoding::BINARY)
      @closed = false
    end

    # Claims what this request message is about.
    def take(message)
      @claims.pwrite(message.byteslice(Layout::Request::CHANNEL_OFFSET, LENGTH), @offset) unless @closed
    end

    def withdrawn?(channel_id, ticket)
      return false if @closed

      @withdrawals.pread(8, Layout::Withdrawals::TICKETS_OFFSET + 8 * (channel_id & 0xFFFF), @withdrawal)
      withdrawal = @withdrawal.unpack1("Q<")
      # Another channel's mark: its slot is that channel's by now.
      withdrawal >> 32 != (channel_id >> 16) & 0xFFFF_FFFF || (withdrawal & 0xFFFF_FFFF) >= ticket
    end

    def clear
      @claims.pwrite(NONE, @offset) unless @closed
    end

    # From now on it changes nothing: in a process that the application forked it would be the instance's.
    def close
      @closed = true
    end
  end
end
