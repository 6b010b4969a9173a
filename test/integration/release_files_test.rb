# frozen_string_literal: true

require "digest"
require "json"
require "minitest"
require "open3"
require "tmpdir"

require_relative "support/environment"

# The list of parts that `make dist` writes beside an archive (CycloneDX).
class ReleaseFilesTest < Minitest::Test
  PROGRAMS = %w[root/passenger-agent ext/apache2/mod_passenger.so passenger-status].freeze
  NATIVE = Dir.glob("root/native/**/passenger_native.{so,node,abi3.so}",
                    base: TestEnvironment::BUILD_DIR).sort.freeze

  # As make writes it, but into a folder of the test.
  def self.list
    @list ||= Dir.mktmpdir("release-") do |folder|
      output, status = Open3.capture2e({ "MAKEFLAGS" => nil, "MAKELEVEL" => nil }, "make",
                                       "--silent", "-C", TestEnvironment::BUILD_DIR, "dist-sbom",
                                       "distdir=#{folder}/parts")
      raise "make dist-sbom failed:\n#{output}" unless status.success?

      JSON.parse(File.read("#{folder}/parts.cdx.json"))
    end
  end

  def setup
    skip "the sanitizers' libraries are no part of a release" if TestEnvironment.sanitized?
  end

  def test_programs_and_native_code_are_named_with_their_hashes
    parts = own_parts.to_h { |part| [part["name"], part["hashes"].first["content"]] }
    assert_empty PROGRAMS + NATIVE - parts.keys
    NATIVE.each do |name|
      file = File.join(TestEnvironment::BUILD_DIR, name)
      assert_equal Digest::SHA256.file(file).hexdigest, parts[name]
    end
  end

  def test_native_code_of_ruby_node_and_python_is_among_them
    folders = NATIVE.map { |name| name.split("/")[2].sub(/\Aruby-.*/, "ruby") }
    skip "the build has native code of #{folders.join(', ')} only" if folders.uniq.size < 3
    kinds = own_parts.map { |part| part["name"][%r{\Aroot/native/(ruby|node|python)\b}, 1] }
    assert_equal %w[node python ruby], kinds.compact.sort.uniq
  end

  def test_libraries_and_headers_have_package_and_version
    skip "this system is not Debian" unless TestEnvironment.find_command("dpkg-query")
    libraries = list["components"].to_h { |part| [part["name"], part] }
    # Debian 13's packages with a time of 64 bits have names of their own.
    event_loop = libraries["libev4"] || libraries.fetch("libev4t64")
    assert_match(%r{\Apkg:deb/debian/libev4(t64)?@[^?]+\?arch=\w+\z}, event_loop["purl"])
    assert_includes event_loop["properties"].map { |one| one["value"] }, "passenger-agent"
    native = NATIVE.map { |name| File.basename(name) }
    libc = libraries.fetch("libc6")["properties"].map { |one| one["value"] }
    assert_empty native - libc
    assert_equal [%w[name value].zip(["used as", "headers"]).to_h],
                 libraries.fetch("rapidjson-dev")["properties"]
  end

  private

  def own_parts
    list["metadata"]["component"]["components"]
  end

  def list
    self.class.list
  end
end
