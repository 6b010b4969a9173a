# frozen_string_literal: true

module Bench
  # Descriptors and memory of one process. Processes of another user need root.
  class Memory
    attr_reader :descriptors, :resident, :proportional, :private

    def initialize(pid)
      @descriptors = Dir.children("/proc/#{pid}/fd").length
      rollup = File.read("/proc/#{pid}/smaps_rollup")
      @resident = rollup[/^Rss:\s+(\d+)/, 1].to_i
      @proportional = rollup[/^Pss:\s+(\d+)/, 1].to_i
      @private = rollup.scan(/^Private_(?:Clean|Dirty):\s+(\d+)/).flatten.sum(&:to_i)
    end

    # nil if the process is gone, or this user may not read its files.
    def self.of(pid)
      new(pid)
    rescue Errno::ENOENT, Errno::ESRCH, Errno::EACCES
      nil
    end
  end
end
