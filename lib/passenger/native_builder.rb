# frozen_string_literal: true

# Compiles ext/ruby, with ext/claims, for the Ruby that runs this:
#
#   /opt/ruby/bin/ruby native_builder.rb [FOLDER]
#
# FOLDER is where native.rb looks; the default is `native` beside the `lib` of this file. If the
# code cannot be built, one line says why, and applications run without it. CPPFLAGS, CFLAGS and
# LDFLAGS in the environment are the compiler's further flags.

require "digest"
require "fileutils"
require "shellwords"
require_relative "base/native"

module PhusionPassenger
  # Runs the compiler that built this Ruby.
  class NativeBuilder
    SOURCES = Dir[File.expand_path("../../ext/{claims,ruby}/*.{c,h}", __dir__)].sort.freeze
    # The first version with rb_enc_interned_str.
    OLDEST_RUBY = "3.0"

    def initialize(folder)
      @target = File.join(folder, Native.folder_name, "#{Native::NAME}.so")
    end

    # The built file has it. Dates do not tell: a package brings files that are older than a build
    # of the version before.
    def self.sources_digest
      Digest::SHA256.hexdigest([__FILE__, *SOURCES].map { |file| File.binread(file) }.join("\0"))
    end

    # Returns the line to print, or nil if the file was built from these sources. One of other
    # sources is removed.
    def build
      return if current?

      FileUtils.rm_f(@target)
      reason = missing
      return "Without native code for #{RbConfig.ruby}: #{reason}" if reason

      FileUtils.mkdir_p(File.dirname(@target))
      # Under a name of its own: another process may load the old file meanwhile.
      made = "#{@target}.#{Process.pid}"
      unless system(*command(made))
        return "Without native code for #{RbConfig.ruby}: the compiler failed, see above"
      end

      File.rename(made, @target)
      "Built #{@target}"
    ensure
      FileUtils.rm_f(made) if made
    end

    private

    def current?
      File.file?(@target) && File.binread(@target).include?(self.class.sources_digest)
    end

    def missing
      if Gem::Version.new(RUBY_VERSION) < Gem::Version.new(OLDEST_RUBY)
        return "this Ruby is older than #{OLDEST_RUBY}"
      end
      unless File.file?(File.join(headers.first, "ruby.h"))
        return "the headers of this Ruby are missing (Debian: install ruby-dev)"
      end

      unless system("command -v #{compiler.first.shellescape} >/dev/null")
        "the C compiler #{compiler.first} is missing (Debian: install gcc)"
      end
    end

    # The library leaves Ruby's symbols undefined. The interpreter that loads it defines them, with
    # or without a libruby.
    def command(made)
      [*compiler, "-std=gnu11", "-O2", "-g", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall",
       "-Wextra", "-Wno-unused-parameter", "-DPASSENGER_SOURCES=\"#{self.class.sources_digest}\"",
       *flags("CPPFLAGS"), *flags("CFLAGS"), *headers.map { |folder| "-I#{folder}" }, "-o", made,
       *SOURCES.grep(/\.c\z/), *flags("LDFLAGS")]
    end

    def flags(variable)
      ENV.fetch(variable, "").shellsplit
    end

    def compiler
      (ENV["CC"] || RbConfig::CONFIG.fetch("CC")).shellsplit
    end

    def headers
      RbConfig::CONFIG.values_at("rubyhdrdir", "rubyarchhdrdir")
    end
  end
end

if __FILE__ == $PROGRAM_NAME
  # Instances of all users load it.
  File.umask(0o022)
  folder = ARGV.fetch(0) { File.expand_path("../../native", __dir__) }
  line = PhusionPassenger::NativeBuilder.new(folder).build
  puts line if line
end
