# frozen_string_literal: true

module Bench
  # What one process holds: descriptors and memory. Reading another user's needs root.
  class Memory
    attr_reader :descriptors, :resident, :proportional, :private

    def initialize(pid)
      @descriptors = Dir.children("/proc/#{pid}/fd").length
      rollup = File.read("/proc/#{pid}/smaps_rollup")
      @resident = rollup[/^Rss:\s+(\d+)/, 1].to_i
      @proportional = rollup[/^Pss:\s+(\d+)/, 1].to_i
      @private = rollup.scan(/^Private_(?:Clean|Dirty):\s+(\d+)/).flatten.sum(&:to_i)
    end

    # nil for one that is gone, or that this user may not look at.
    def self.of(pid)
      new(pid)
    rescue Errno::ENOENT, Errno::ESRCH, Errno::EACCES
      nil
    end
  end
end
