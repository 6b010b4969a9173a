# frozen_string_literal: true

module PhusionPassenger
  # Tells the agent, which is not the parent, how the processes ended that this one started: the wait status as a decimal number on a
  # pipe of each.
  class WaitStatuses
    def initialize
      @pipes = {}
    end

    # The process with this pid was started and not waited for yet; `pipe` is the writing end.
    def expect(pid, pipe)
      @pipes[pid] = pipe
    end

    def expected?(pid)
      @pipes.key?(pid)
    end

    # It has ended; nil: somebody else knows how, or nobody. May be called from a trap handler.
    def tell(pid, status)
      pipe = @pipes.delete(pid)
      pipe&.syswrite(status.to_i.to_s) if status
    rescue Errno::EPIPE
      nil # nobody wants to know
    ensure
      pipe&.close
    end

    # In a fork, which is nobody's parent yet.
    def forget
      @pipes.each_value(&:close)
      @pipes.clear
    end
  end
end
