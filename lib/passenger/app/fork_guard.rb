# frozen_string_literal: true

module PhusionPassenger
  # An application that forks makes a process which must not take requests or answer them: what it inherited of ours is
  # closed there at once. Programs that it starts inherit nothing, since all of it is close-on-exec.
  module ForkGuard
    @close = nil

    # `close` is called in each process that the application forks from now on.
    def self.install(&close)
      @close = close
      return if @installed

      @installed = true
      if Process.respond_to?(:_fork)
        Process.singleton_class.prepend(Hook)
      else
        [Object, Kernel.singleton_class, Process.singleton_class].each { |place| place.prepend(OldHook) }
      end
    end

    def self.forked
      close = @close
      @close = nil
      close&.call
    end

    # Ruby 3.1 and later.
    module Hook
      def _fork
        pid = super
        ForkGuard.forked if pid.zero?
        pid
      end
    end

    # Ruby before 3.1.
    module OldHook
      def fork
        if block_given?
          super do
            ForkGuard.forked
            yield
          end
        else
          pid = super
          ForkGuard.forked unless pid
          pid
        end
      end
    end
  end
end
