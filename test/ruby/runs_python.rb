# frozen_string_literal: true

require_relative "process_test_case"

module PhusionPassenger
  # Runs the tests of Ruby's processes with those of Python, which speak the same protocol.
  module RunsPython
    PYTHON = %w[/usr/bin/python3 /usr/local/bin/python3].find { |path| File.executable?(path) }

    def setup
      skip "there is no python3 (Debian: apt-get install python3)" unless PYTHON
      super
    end

    private

    def load(role, startup_file, more_options = {}, environment: {}, **start)
      native = ENV.fetch("PASSENGER_NATIVE", nil)
      environment = environment.merge("PASSENGER_NATIVE" => native) if native
      startup_file = "probe.py" if startup_file == "hello.ru"
      super("python_#{role}", startup_file.sub(/\.ru\z/, ".py"), more_options,
            ruby: PYTHON, environment: environment, **start)
    end
  end
end
