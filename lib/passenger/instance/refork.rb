# frozen_string_literal: true

require_relative "../app/app_process"
require_relative "../app/databases"
require_relative "../base/limited_fork"

module PhusionPassenger
  # Makes a preloader out of an instance by a fork between two requests (PassengerReforkAfter). The
  # fork closes all that belongs to the instance (ForkGuard). Instances forked from the preloader
  # share the memory that this instance's requests have filled.
  class Refork
    # Seconds to wait for a moment without a request. With one thread no request waits meanwhile.
    # With several, those that are idle wait.
    PATIENCE_OF_ONE = 10
    PATIENCE_OF_MANY = 0.1
    # Attempts with several threads.
    ATTEMPTS = 20
    PAUSE = 0.5

    def initialize(app, intake, thread_count)
      @app = app
      @intake = intake
      @patience, @attempts = thread_count == 1 ? [PATIENCE_OF_ONE, 1] : [PATIENCE_OF_MANY, ATTEMPTS]
    end

    # Returns at once. `socket` and `output` are the preloader's; if they end, the agent knows that
    # there is none.
    def start(socket, output)
      Thread.new do
        Thread.current.name = "Passenger refork"
        pid = fork_between_requests(socket, output)
        Log.event("instance.refork_failed", reason: "the instance was never idle") unless pid
        Process.detach(pid) if pid
      rescue StandardError => e
        Log.exception("instance.refork_failed", e)
      ensure
        [socket, output].each(&:close)
      end
    end

    private

    # The pid. Nil: the instance was never without a request.
    def fork_between_requests(socket, output)
      @attempts.times do |index|
        sleep PAUSE unless index.zero?
        pid = @intake.while_idle(@patience) { forked(socket, output) }
        return pid if pid
      end
      nil
    end

    def forked(socket, output)
      Databases.disconnect_sequel
      LimitedFork.call { become_preloader(socket, output) }
    end

    # In the child. Preloader is loaded: the agent asks only instances that a preloader forked.
    def become_preloader(socket, output)
      AppProcess.end_for_itself
      Signals.print_backtraces_on_quit
      control = AppProcess.begin_anew("AppPreloader", socket, output)
      AppProcess.until_the_end { Preloader.new(control, @app).run }
    end
  end
end
