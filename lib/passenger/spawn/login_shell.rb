# frozen_string_literal: true

module PhusionPassenger
  # Starts programs by the user's login shell (PassengerLoadShellEnvvars). The shell reads the
  # profile first (/etc/profile, ~/.profile, ~/.bash_profile …), so the environment has the PATH and
  # the variables that the user sets there.
  class LoginShell
    # Shells that understand `exec "$@"`. nologin, false and shells of another syntax are left out.
    KNOWN = %w[ash bash dash ksh mksh sh zsh].freeze

    def initialize(path)
      @path = path
    end

    def usable?
      KNOWN.include?(File.basename(@path)) && File.executable?(@path)
    end

    # Arguments for exec. A dash before its name tells a shell that it is a login shell. The profile
    # may leave the folder, or end the shell at what fails (set -e).
    def command(folder, program)
      [[@path, "-#{File.basename(@path)}"], "-c", 'cd "$1" || cd /; shift; exec "$@"', @path,
       folder, *program]
    end
  end
end
