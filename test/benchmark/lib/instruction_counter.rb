# frozen_string_literal: true

require_relative 'failure'

module Bench
  # Counts a process's instructions outside of the kernel (instructions/InstructionCounter.cpp).
  class InstructionCounter
    QUIET_SECONDS = 0.1

    # Returns how many instructions the process runs during the block and until it waits again.
    def self.during(program, pid)
      # In a process group of its own: the terminal's Ctrl-C would end it in the middle of a step.
      pipe = IO.popen([program, pid.to_s], 'r+', pgroup: true)
      unless pipe.gets == "counting\n"
        raise Failure, "cannot count the instructions of process #{pid}"
      end

      counter = new(pipe)
      yield
      counter.settle
    ensure
      pipe&.close
    end

    def initialize(pipe)
      @pipe = pipe
    end

    # Returns the number once it no longer grows.
    def settle
      count = ask
      loop do
        sleep QUIET_SECONDS
        before = count
        count = ask
        return count if count == before
      end
    end

    private

    def ask
      @pipe.puts
      Integer(@pipe.gets || raise(Failure, 'the instruction counter ended'))
    end
  end
end
