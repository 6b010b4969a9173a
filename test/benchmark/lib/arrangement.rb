# frozen_string_literal: true

module Bench
  # What a server is set up as: which application, how many instances of it, how many children of httpd with how many
  # threads each. Without threads (0) it is the prefork MPM, else event.
  Arrangement = Struct.new(:app, :instances, :children, :threads, keyword_init: true) do
    def initialize(app:, instances: 2, children: 2, threads: 25)
      super
    end

    def mpm
      threads.zero? ? 'prefork' : 'event'
    end
  end
end
