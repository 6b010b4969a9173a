# frozen_string_literal: true

require 'etc'
require_relative 'httpd'

module Bench
  # The machine of the figures. Figures of two machines cannot be compared, only their ratios.
  module Machine
    PACKAGES = %w[apache2-bin libapache2-mod-passenger nghttp2-client puma
                  ruby-rails wrk].freeze

    def self.describe
      { 'cpus' => Etc.nprocessors, 'cpu' => File.read('/proc/cpuinfo')[/^model name\s*: (.*)$/, 1],
        'kernel' => Etc.uname[:release], 'httpd' => Httpd.version, 'ruby' => RUBY_DESCRIPTION,
        'packages' => packages }
    end

    def self.packages
      output = IO.popen(['dpkg-query', '-W', '-f', '${Package} ${Version}\n', *PACKAGES],
                        err: File::NULL, &:read)
      output.lines.to_h(&:split)
    rescue Errno::ENOENT
      {} # not Debian
    end

    private_class_method :packages
  end
end
