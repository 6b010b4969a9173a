# frozen_string_literal: true

module Bench
  # The configuration of a server: the application, the number of its instances, httpd's children
  # and their threads. Without threads (0) httpd has the prefork MPM, otherwise event. `handlers`:
  # the threads of each instance. `queue_target`: this module's PassengerQueueTarget, or nil.
  # `restarts`: whether only servers take part that start a new version by tmp/restart.txt. This
  # module's instances answer /plain first then (PassengerWarmUp). `tls`: httpd speaks TLS, with
  # HTTP/2 and HTTP/1.1.
  Arrangement = Struct.new(:app, :instances, :handlers, :children, :threads, :queue_target,
                           :restarts, :tls, keyword_init: true) do
    def initialize(app:, instances: 2, handlers: 1, children: 2, threads: 25, queue_target: nil,
                   restarts: false, tls: false)
      super
    end

    def mpm
      threads.zero? ? 'prefork' : 'event'
    end
  end
end
