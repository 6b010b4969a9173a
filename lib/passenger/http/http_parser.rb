# frozen_string_literal: true

module PhusionPassenger
  # Finds the parser of request heads, Puma::HttpParser: native code that works without Puma's
  # server. The application's Gemfile may choose a version of Puma, so nothing is loaded before the
  # application.
  module HttpParser
    FILE = "puma/puma_http11"

    # Finds the native file outside of Bundler, before the application is loaded; nil if there is
    # none.
    def self.find
      found = Gem::Specification.stubs_for("puma").first&.to_spec
      folders = $LOAD_PATH + (found ? found.full_require_paths : [])
      name = "#{FILE}.#{RbConfig::CONFIG['DLEXT']}"
      folders.map { |folder| File.join(folder, name) }.find { |path| File.file?(path) }
    end

    # Loads the parser after the application. `found`: the result of `find`.
    def self.load(found)
      require_any(found) unless defined?(::Puma::HttpParser)
      ::Puma::HttpParser
    end

    # The application's version is preferred: the application may load it later, and both define the
    # same class.
    def self.require_any(found)
      require FILE
    rescue LoadError
      unless found
        raise LoadError, "Puma's parser is missing: install the Debian package puma, " \
                         "or put puma into the Gemfile"
      end

      require found
    end
    private_class_method :require_any
  end
end
