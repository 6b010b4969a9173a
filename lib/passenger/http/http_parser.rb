# frozen_string_literal: true

module PhusionPassenger
  # Finds the parser of request heads: Puma's, which is native code and a class of its own (Puma::HttpParser), without Puma's server.
  # An application may have chosen a version of Puma by its Gemfile: so nothing is loaded before the application is.
  module HttpParser
    FILE = "puma/puma_http11"

    # The native file that is there without Bundler. To be called before the application is loaded; nil if there is none.
    def self.find
      found = Gem::Specification.stubs_for("puma").first&.to_spec
      folders = $LOAD_PATH + (found ? found.full_require_paths : [])
      folders.map { |folder| File.join(folder, "#{FILE}.#{RbConfig::CONFIG['DLEXT']}") }.find { |path| File.file?(path) }
    end

    # After the application was loaded. `found` is what `find` found.
    def self.load(found)
      require_any(found) unless defined?(::Puma::HttpParser)
      ::Puma::HttpParser
    end

    # The application's own version first: it may load it later, and the two are one class.
    def self.require_any(found)
      require FILE
    rescue LoadError
      raise LoadError, "Puma's parser is missing: install the Debian package puma, or put puma into the Gemfile" unless found

      require found
    end
    private_class_method :require_any
  end
end
