# frozen_string_literal: true

require "json"
require_relative "support/integration_test"
require_relative "support/peer_corpus"

# The same configuration loads here and in Debian's libapache2-mod-passenger, and applications see the same. Runs where that package is installed; what may
# differ, and why, is in doc/COMPATIBILITY.md.
class PeerTest < IntegrationTest
  PEER = "/usr/lib/apache2/modules/mod_passenger.so"
  PEER_ROOT = "/usr/lib/ruby/vendor_ruby/phusion_passenger/locations.ini"
  # Which server, which connection: of no interest.
  CIRCUMSTANCES = %w[REMOTE_PORT SERVER_PORT SERVER_SOFTWARE].freeze
  # doc/COMPATIBILITY.md, "The environment of a request", has the reasons.
  ONLY_HERE = %w[GATEWAY_INTERFACE REQUEST_SCHEME SERVER_ADDR DOCUMENT_ROOT CONTENT_LENGTH REDIRECT_URL REDIRECT_QUERY_STRING].freeze
  ONLY_THERE = %w[].freeze

  SEES = <<~RUBY
    require "json"
    run proc { |env|
      seen = env.select { |name, value| value.is_a?(String) && name.match?(/\\A[A-Z]/) && !name.start_with?("PASSENGER_") }
      [200, { "Content-Type" => "text/plain", "X-Seen" => [JSON.generate(seen)].pack("m0") }, [""]]
    }
  RUBY

  def self.app
    @app ||= SampleApps.written(SEES).tap do |folder|
      File.write("#{folder}/public/.htaccess", "RewriteEngine on\nRewriteRule ^hta/(.*)$ /by-hta/$1 [QSA]\n")
      @sub = SampleApps.written(SEES)
      File.symlink("#{@sub}/public", "#{folder}/public/sub")
      TestEnvironment.hand_over("#{folder}/public/.htaccess")
    end
  end

  def test_applications_see_the_same_as_with_phusion_passenger
    skip "the package libapache2-mod-passenger is not installed" unless File.exist?(PEER)
    needs_root "Phusion Passenger changes its applications' user"
    here = environments(made)
    there = environments(made.tap { |peer| use_peer(peer) })
    differences = PeerCorpus.all.zip(here, there).filter_map { |request, *pair| difference(request, *pair) }
    assert_operator PeerCorpus.all.size, :>=, 100
    assert differences.empty?, "#{differences.size} differences:\n#{differences.join("\n")}"
  end

  private

  def made
    HttpdConfiguration.new.tap do |one|
      # What both know.
      one.set("PassengerTurbocaching", "off")
      app = self.class.app
      one.site("peer.test", app, "PassengerBaseURI /sub\nSetEnvIf X-Colour (.+) COLOUR=$1\n")
      one.site("rewrite.peer.test", app, "RewriteEngine on\nRewriteRule ^/old/(.*)$ /new/$1 [PT]\n" \
                                         "<Directory #{app}/public>\n  AllowOverride All\n</Directory>\n")
      one.site("set.peer.test", app, "SetEnv SAMPLE set\nSetEnvIf Request_URI ^/blue COLOUR=blue\n")
      one.site("slash.peer.test", app, "AllowEncodedSlashes On\nPassengerAllowEncodedSlashes on\n")
      one.site("fast.peer.test", app, "PassengerHighPerformance on\n")
    end
  end

  def use_peer(configuration)
    configuration.passenger_module = PEER
    configuration.passenger_root = PEER_ROOT
    configuration.set("PassengerInstanceRegistryDir", SampleApps.new_folder)
  end

  def environments(configuration)
    server = HttpdServer.new(configuration).start
    PeerCorpus.all.map { |request| seen(server, *request) }
  ensure
    server&.destroy
  end

  # Nil where httpd has refused the request.
  def seen(server, site, method, target, headers, body)
    raw = server.raw(site)
    raw.request(method, target, headers.merge(body ? { "Content-Length" => body.bytesize.to_s } : {}))
    raw.write(body) if body
    text = raw.response(head: method == "HEAD")["X-Seen"] or return nil
    JSON.parse(text.unpack1("m")).transform_values { |value| plain(value.gsub(server.port.to_s, "PORT")) }
  ensure
    raw&.close
  end

  # Both forms of an escape mean the same.
  def plain(value)
    value.gsub(/%\h\h/) { |escape| [escape[1..]].pack("H*").match?(/[A-Za-z0-9._~'()*!$,;:@&=+\[\]-]/) ? [escape[1..]].pack("H*") : escape.upcase }
  end

  def difference(request, here, there)
    return "#{request.take(3).join(' ')}: #{here ? 'refused there' : 'refused here'}" if here.nil? ^ there.nil?
    return if here.nil?

    lines = (here.keys | there.keys).filter_map do |name|
      next if CIRCUMSTANCES.include?(name) || here[name] == there[name]
      next if (ONLY_HERE.include?(name) && !there.key?(name)) || (ONLY_THERE.include?(name) && !here.key?(name))

      "  #{name}: #{here[name].inspect[0, 80]} here, #{there[name].inspect[0, 80]} there"
    end
    "#{request.take(3).join(' ')}\n#{lines.join("\n")}" unless lines.empty?
  end
end
