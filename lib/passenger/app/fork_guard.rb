# frozen_string_literal: true

module PhusionPassenger
  # A process that the application forks must not take or answer requests. The guard closes the
  # instance's descriptors in such a process at once. Programs that the application starts inherit
  # none of them: all are close-on-exec.
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
        [Object, Kernel.singleton_class, Process.singleton_class].each do |place|
          place.prepend(OldHook)
        end
      end
    end

    def self.forked
      close = @close
      @close = nil
      close&.call
    end

    # For Ruby 3.1 and later, where all ways to fork call Process._fork.
    module Hook
      def _fork
        pid = super
        ForkGuard.forked if pid.zero?
        pid
      end
    end

    # For Ruby before 3.1.
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
