# frozen_string_literal: true

module PhusionPassenger
  # Tells the agent how processes ended whose parent is this process. Each process has a pipe for
  # its wait status, written as a decimal number.
  class WaitStatuses
    def initialize
      @pipes = {}
    end

    # This process has started the process with this pid and not waited for it yet. `pipe` is the
    # writing end.
    def expect(pid, pipe)
      @pipes[pid] = pipe
    end

    def expected?(pid)
      @pipes.key?(pid)
    end

    # The process has ended. A nil status means that another process reports it, or that it is
    # unknown. May be called from a trap handler.
    def tell(pid, status)
      pipe = @pipes.delete(pid)
      pipe&.syswrite(status.to_i.to_s) if status
    rescue Errno::EPIPE
      nil # the agent has closed the pipe
    ensure
      pipe&.close
    end

    # For a fork: it has no children.
    def forget
      @pipes.each_value(&:close)
      @pipes.clear
    end
  end
end
