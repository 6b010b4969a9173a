# frozen_string_literal: true

require_relative "environment"

# Measures the memory of a server's processes while a block runs.
class MemorySampler
  INTERVAL = 0.05
  # To find all processes takes longer.
  NEW_PROCESSES_INTERVAL = 1

  def initialize(tree)
    @tree = tree
  end

  # Runs the block. Returns its value and the most bytes by which each process grew: {description =>
  # bytes}. Empty with sanitizers, which keep freed memory.
  def during
    return [yield, {}] if TestEnvironment.sanitized?

    start = sizes
    peak = start.dup
    stop = false
    sampler = Thread.new do
      until stop
        peak.merge!(sizes) { |_, old, new| [old, new].max }
        sleep INTERVAL
      end
    end
    value = yield
    [value, peak.to_h { |process, size| [process, size - start.fetch(process, 0)] }]
  ensure
    stop = true
    sampler&.join
  end

  private

  def sizes
    now = Process.clock_gettime(Process::CLOCK_MONOTONIC)
    if @processes.nil? || now - @found_at >= NEW_PROCESSES_INTERVAL
      @processes = @tree.processes
      @found_at = now
    end
    @processes.each_with_object({}) do |process, found|
      size = process.memory
      found["#{process.pid} #{process.command_line[0, 60]}"] = size if size
    end
  end
end
