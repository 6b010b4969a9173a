# frozen_string_literal: true

module Bench
  # The configuration of a server: the application, the number of its instances, httpd's children
  # and their threads. Without threads (0) httpd has the prefork MPM, otherwise event. `handlers`:
  # the threads of each instance.
  Arrangement = Struct.new(:app, :instances, :handlers, :children, :threads,
                           keyword_init: true) do
    def initialize(app:, instances: 2, handlers: 1, children: 2, threads: 25)
      super
    end

    def mpm
      threads.zero? ? 'prefork' : 'event'
    end
  end
end
