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

    # Raises ThreadError if there are no threads for it. They are made now, because a failure while
    # the instance serves would cost its requests: Ruby 3.3 then hangs (Failure).
    def initialize(app, thread_count)
      @app = app
      @patience, @attempts = thread_count == 1 ? [PATIENCE_OF_ONE, 1] : [PATIENCE_OF_MANY, ATTEMPTS]
      @orders = in_thread("Passenger refork") { |order| follow(*order) }
      @preloaders = in_thread("Passenger refork's end") { |pid| await_end(pid) }
    end

    # Returns at once. `socket` and `output` are the preloader's; if they end, the agent knows that
    # there is none.
    def start(intake, socket, output)
      @orders << [intake, socket, output]
    end

    private

    # Returns the queue of what the block gets.
    def in_thread(name)
      queue = Thread::Queue.new
      Thread.new do
        Thread.current.name = name
        loop { yield queue.pop }
      end
      queue
    end

    def follow(intake, socket, output)
      pid = fork_between_requests(intake, socket, output)
      return @preloaders << pid if pid

      Log.event("instance.refork_failed", reason: "the instance was never idle")
    rescue StandardError => e
      Log.exception("instance.refork_failed", e)
    ensure
      [socket, output].each(&:close)
    end

    # A preloader ends soon after its successor has loaded. One that ends before an earlier one is a
    # zombie until that ends, too.
    def await_end(pid)
      Process.wait(pid)
    rescue Errno::ECHILD
      nil # the application has waited for it
    end

    # The pid. Nil: the instance was never without a request.
    def fork_between_requests(intake, socket, output)
      @attempts.times do |index|
        sleep PAUSE unless index.zero?
        pid = intake.while_idle(@patience) { forked(socket, output) }
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
