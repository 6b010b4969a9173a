# frozen_string_literal: true

module Bench
  # The configuration of a server: the application, the number of its instances, httpd's children
  # and their threads. Without threads (0) httpd has the prefork MPM, otherwise event.
  Arrangement = Struct.new(:app, :instances, :children, :threads, keyword_init: true) do
    def initialize(app:, instances: 2, children: 2, threads: 25)
      super
    end

    def mpm
      threads.zero? ? 'prefork' : 'event'
    end
  end
end
