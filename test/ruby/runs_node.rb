# frozen_string_literal: true

require_relative "process_test_case"

module PhusionPassenger
  # Runs the tests of Ruby's processes with those of Node, which speak the same protocol. An event
  # loop takes requests in each turn: it has no threads to tell of, and cannot fork itself.
  module RunsNode
    ROOT = File.expand_path("../..", Peers::Agent::LIBRARY)
    AGENT = File.join(ROOT, "passenger-agent")
    NATIVE = File.join(ROOT, "native/node/passenger_native.node")
    # Another Node than the one in PATH: a program `node`.
    unless ENV["NODE"].to_s.empty?
      ENV["PATH"] = "#{File.dirname(File.expand_path(ENV.fetch('NODE')))}:#{ENV.fetch('PATH')}"
    end
    # Node before 16 serves only behind a bridge.
    NODE = system("node", "-e", "process.exit(+(parseInt(process.versions.node) < 16))",
                  err: File::NULL)

    def setup
      skip "there is no Node 16 or newer (Debian: apt-get install nodejs)" unless NODE
      skip "there is no #{NATIVE}: build it with Node's headers" unless File.exist?(NATIVE)
      super
    end

    def test_a_fork_that_returns_from_the_application_answers_nothing
      skip "Node does not fork"
    end

    def test_a_fork_of_the_application_takes_no_request_after_a_pause
      skip "Node does not fork"
    end

    private

    def load(_role, startup_file, more_options = {}, **start)
      options = { app_type: "node", start_timeout: 60, spawn_dir: Dir.tmpdir }
      super("bridge", startup_file.sub(/\.ru\z/, ".js"), options.merge(more_options),
            ruby: AGENT, **start)
    end
  end
end
