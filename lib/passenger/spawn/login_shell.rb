# frozen_string_literal: true

module PhusionPassenger
  # The shell that a user gets at a login, as a way to start programs: it reads the profile first (/etc/profile,
  # ~/.profile, ~/.bash_profile …), so PATH and all else that the user set there is in the environment.
  class LoginShell
    # Those that understand `exec "$@"`. Not among them: nologin, false, and shells of another language.
    KNOWN = %w[ash bash dash ksh mksh sh zsh].freeze

    def initialize(path)
      @path = path
    end

    def usable?
      KNOWN.include?(File.basename(@path)) && File.executable?(@path)
    end

    # Arguments for exec. A name that begins with a dash tells the shell that this is a login.
    def command(*program)
      [[@path, "-#{File.basename(@path)}"], "-c", 'exec "$@"', @path, *program]
    end
  end
end
