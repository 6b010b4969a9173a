# frozen_string_literal: true

require "rbconfig"

# Halves the processor time of processes where the kernel has no CpuGroup: all of them stand still
# for 10 ms, run for 10 ms, and so on, until release().
class Brake
  PROGRAM = <<~RUBY
    most, *pids = ARGV.map(&:to_i)
    signal = lambda do |name|
      pids.each { |pid| Process.kill(name, pid) rescue nil }
    end
    over = false
    trap(:TERM) { over = true }
    begin
      ending = Process.clock_gettime(Process::CLOCK_MONOTONIC) + most
      until over || Process.clock_gettime(Process::CLOCK_MONOTONIC) > ending
        signal.call(:STOP)
        sleep 0.01
        signal.call(:CONT)
        sleep 0.01
      end
    ensure
      signal.call(:CONT)
    end
  RUBY

  # `most`: seconds, even if nobody releases them.
  def initialize(pids, most)
    @pids = pids
    @helper = spawn(RbConfig.ruby, "-e", PROGRAM, most.to_s, *pids.map(&:to_s))
  end

  def release
    Process.kill(:TERM, @helper)
    Process.wait(@helper)
    @pids.each do |pid|
      Process.kill(:CONT, pid)
    rescue Errno::ESRCH
      # It has ended.
    end
  end
end
