# frozen_string_literal: true

require_relative "test_helper"

# A release has one version.
class ReleaseTest < Minitest::Test
  SOURCE_DIR = ENV.fetch("SOURCE_DIR") { File.expand_path("../..", __dir__) }

  PLACES = {
    "CHANGELOG.md" => /^## \[(\d[\d.]*)\]/,
    "debian/changelog" => /\A[\w-]+ \((\d[\d.]*)/,
    "packaging/mod_passenger-ng.spec" => /^Version: +(\S+)/
  }.freeze

  PLACES.each do |file, pattern|
    define_method("test_the_version_in_#{file.tr('/.', '__')}_is_that_of_configure") do
      version = File.read(File.join(SOURCE_DIR, "configure.ac"))[/AC_INIT\(\[\w+\], \[(.*?)\]\)/, 1]
      assert_equal version, File.read(File.join(SOURCE_DIR, file))[pattern, 1]
    end
  end
end
