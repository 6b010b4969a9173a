# frozen_string_literal: true

require "json"
require_relative "support/integration_test"
require_relative "support/peer_configurations"
require_relative "support/peer_corpus"

# The same configuration loads here and in Debian's libapache2-mod-passenger, and applications see
# the same requests. Runs if that package is installed. doc/COMPATIBILITY.md has the differences and
# their reasons.
class PeerTest < IntegrationTest
  PEER = "/usr/lib/apache2/modules/mod_passenger.so"
  PEER_ROOT = "/usr/lib/ruby/vendor_ruby/phusion_passenger/locations.ini"
  # The peer's Node loader finds its own modules by NODE_PATH, too.
  PEER_NODE = "/usr/share/passenger/node"
  # Variables of the server and of the connection differ by nature.
  CIRCUMSTANCES = %w[REMOTE_PORT SERVER_PORT SERVER_SOFTWARE].freeze
  # doc/COMPATIBILITY.md, "The environment of a request", has the reasons.
  ONLY_HERE = %w[GATEWAY_INTERFACE REQUEST_SCHEME SERVER_ADDR DOCUMENT_ROOT CONTENT_LENGTH
                 REDIRECT_URL REDIRECT_QUERY_STRING PASSENGER_REQUEST_ID].freeze
  ONLY_THERE = %w[PASSENGER_CONNECT_PASSWORD].freeze
  # PATH_INFO is decoded here, as PEP 3333 demands.
  WSGI_DIFFERENCES = %w[PATH_INFO].freeze
  NODE_DIFFERENCES = ["header connection", "header !~passenger-client-address"].freeze

  SEES = <<~RUBY
    require "json"
    run proc { |env|
      seen = env.select { |name, value| value.is_a?(String) && name.match?(/\\A[A-Z]/) }
      [200, { "Content-Type" => "text/plain", "X-Seen" => [JSON.generate(seen)].pack("m0") }, [""]]
    }
  RUBY

  WSGI_SEES = <<~'PYTHON'
    import base64, json, os

    def application(environ, start_response):
        seen = {name: value for name, value in environ.items()
                if isinstance(value, str) and name[0].isupper() and name not in os.environ}
        names = ("wsgi.url_scheme", "wsgi.multiprocess", "wsgi.run_once", "wsgi.version")
        seen.update({name: str(environ.get(name)) for name in names})
        seen["body"] = str(len(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))))
        start_response("200 OK", [("Content-Type", "text/plain"),
                                  ("X-Seen", base64.b64encode(json.dumps(seen).encode()).decode())])
        return [b""]
  PYTHON

  EXPRESS_SEES = <<~JAVASCRIPT
    const app = require("express")();
    app.use((request, response) => {
        const seen = {};
        const names = ["method", "originalUrl", "url", "path", "baseUrl", "protocol", "hostname",
                       "ip", "secure", "xhr"];
        for (const name of names) {
            seen[name] = String(request[name]);
        }
        seen.query = JSON.stringify(request.query);
        response.set("X-Seen", Buffer.from(JSON.stringify(seen)).toString("base64")).end();
    });
    app.listen(3000);
  JAVASCRIPT

  # A request as Node sees it; Express computes its values from these.
  NODE_SEES = <<~JAVASCRIPT
    require("http").createServer((request, response) => {
        let body = "";
        request.on("data", (piece) => { body += piece; });
        request.on("end", () => {
            const seen = { method: request.method, url: request.url, body: String(body.length) };
            for (const name in request.headers) {
                seen["header " + name] = request.headers[name];
            }
            response.setHeader("X-Seen", Buffer.from(JSON.stringify(seen)).toString("base64"));
            response.end();
        });
    }).listen(3000);
  JAVASCRIPT

  # Each request waits for the seven others.
  MEETS = <<~JAVASCRIPT
    const waiting = [];
    require("http").createServer((request, response) => {
        if (waiting.push(response) === 8) {
            waiting.splice(0).forEach((one) => one.end(String(process.pid)));
        }
    }).listen(process.env.PORT, "127.0.0.1");
  JAVASCRIPT

  # "!~Request-OOB-Work" causes the event.
  ANSWERING = {
    "config.ru" => <<~RUBY,
      @worked = false
      PhusionPassenger.on_event(:oob_work) { @worked = true }
      run proc {
        [200, { "Content-Type" => "text/plain", "!~Request-OOB-Work" => "true", "!~Other" => "1",
                "!-Shown" => "1" }, [@worked.to_s]]
      }
    RUBY
    "app.js" => <<~JAVASCRIPT
      require("http").createServer((request, response) => {
          const names = ["!~Request-OOB-Work", "!~Other", "!-Shown"];
          names.forEach((name) => response.setHeader(name, "1"));
          response.end("true");
      }).listen(3000);
    JAVASCRIPT
  }.freeze

  def self.app
    @app ||= SampleApps.written(SEES).tap do |folder|
      File.write("#{folder}/public/.htaccess",
                 "RewriteEngine on\nRewriteRule ^hta/(.*)$ /by-hta/$1 [QSA]\n")
      @sub = SampleApps.written(SEES)
      File.symlink("#{@sub}/public", "#{folder}/public/sub")
      TestEnvironment.hand_over("#{folder}/public/.htaccess")
    end
  end

  def test_applications_see_the_same_as_with_phusion_passenger
    needs_the_peer
    assert_operator PeerCorpus.all.size, :>=, 100
    assert_seen_alike PeerCorpus.all, made, method(:difference)
  end

  def test_applications_of_node_see_the_same_as_with_phusion_passenger
    needs_the_peer
    skip "there is no Node" unless system("node --version >/dev/null 2>&1")
    if TestEnvironment.sanitized?
      skip "the peer shows its applications the variables that tell bridges of sanitizers"
    end
    assert_one_app_sees_the_same(SampleApps.written(NODE_SEES, "app.js")) do |name|
      NODE_DIFFERENCES.include?(name)
    end
  end

  def test_applications_of_express_see_the_same_as_with_phusion_passenger
    needs_the_peer
    unless system("NODE_PATH=/usr/share/nodejs node -e 'require(\"express\")' >/dev/null 2>&1")
      skip "there is no Express (Debian: node-express)"
    end
    assert_one_app_sees_the_same(SampleApps.written(EXPRESS_SEES, "app.js"),
                                 "SetEnv NODE_PATH /usr/share/nodejs:#{PEER_NODE}\n")
  end

  def test_wsgi_applications_see_the_same_as_with_phusion_passenger
    needs_the_peer
    skip "there is no Python" unless File.executable?("/usr/bin/python3")
    assert_one_app_sees_the_same(SampleApps.written(WSGI_SEES, "passenger_wsgi.py"),
                                 "PassengerPython /usr/bin/python3\n") do |name, here, there|
      WSGI_DIFFERENCES.include?(name) || known?(name, here, there)
    end
  end

  def test_a_process_of_a_start_command_gets_all_requests_at_once_in_both
    needs_the_peer
    skip "there is no Node" unless system("node --version >/dev/null 2>&1")
    [false, true].each do |peer|
      one = HttpdConfiguration.new
      one.site("meets.test", SampleApps.written(MEETS, "meets.js"),
               "PassengerAppStartCommand \"node meets.js\"\n")
      use_peer(one) if peer
      answers = eight_answers(one)
      assert_match(/\A\d+\z/, answers.first)
      assert_equal 1, answers.uniq.size
    end
  end

  def test_clients_get_no_headers_for_the_server_in_both
    needs_the_peer
    skip "there is no Node" unless system("node --version >/dev/null 2>&1")
    [false, true].each do |peer|
      one = HttpdConfiguration.new
      ANSWERING.each { |file, text| one.site("#{file}.test", SampleApps.written(text, file)) }
      use_peer(one) if peer
      assert_equal ["!-shown"] * ANSWERING.size, strange_headers(one)
    end
  end

  # httpd cannot unload the peer's module, which exports the same symbol.
  def test_a_reload_and_a_restart_take_over_from_phusion_passenger
    needs_the_peer
    %i[graceful restart].each do |order|
      one = HttpdConfiguration.new
      one.site("peer.test", self.class.app)
      use_peer(one)
      assert_taken_over started(one), order
    end
  end

  { "both_take" => [PeerConfigurations::TAKEN, true, true],
    "both_refuse" => [PeerConfigurations::REFUSED, false, false],
    "are_taken_only_here" => [PeerConfigurations::TAKEN_ONLY_HERE, true, false],
    "are_refused_only_here" => [PeerConfigurations::REFUSED_ONLY_HERE, false, true] }
      .each do |what, (configurations, *outcome)|
    define_method("test_configurations_that_#{what}") do
      needs_the_peer
      configurations.each do |name, text|
        assert_equal outcome, [false, true].map { |peer| loads?(text, peer) }, name
      end
    end
  end

  private

  def needs_the_peer
    skip "the package libapache2-mod-passenger is not installed" unless File.exist?(PEER)
    needs_root "Phusion Passenger changes its applications' user"
  end

  def loads?(text, peer)
    made = HttpdConfiguration.new
    use_peer(made) if peer
    # The tested directive may stand there by itself.
    made.directives.clear
    made.main_directives = text
    server = HttpdServer.new(made)
    server.check_configuration.last.success?
  ensure
    server&.destroy
  end

  def assert_seen_alike(requests, made, difference)
    here = environments(requests, made)
    there = environments(requests, made.tap { |peer| use_peer(peer) })
    differences = requests.zip(here, there).filter_map do |request, *pair|
      difference.call(request, *pair)
    end
    assert differences.empty?, "#{differences.size} differences:\n#{differences.join("\n")}"
  end

  # Sends the requests of one virtual host. The block says for which names a difference is known.
  def assert_one_app_sees_the_same(app, directives = "", &known)
    requests = PeerCorpus.all.select { |site, *| site == "peer.test" }
      .map { |_, *rest| ["one.test", *rest] }
    assert_operator requests.size, :>=, 80
    one = HttpdConfiguration.new
    one.set("PassengerTurbocaching", "off")
    one.site("one.test", app, directives)
    assert_seen_alike requests, one, ->(*three) { differing(*three, &known || proc { false }) }
  end

  def made
    HttpdConfiguration.new.tap do |one|
      # Directives that both modules know.
      one.set("PassengerTurbocaching", "off")
      app = self.class.app
      one.site("peer.test", app, "PassengerBaseURI /sub\nSetEnvIf X-Colour (.+) COLOUR=$1\n")
      one.site("rewrite.peer.test", app,
               "RewriteEngine on\nRewriteRule ^/old/(.*)$ /new/$1 [PT]\n" \
                                         "<Directory #{app}/public>\n  AllowOverride All\n" \
                                         "</Directory>\n")
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

  def assert_taken_over(server, order)
    powered = -> { server.client("peer.test").get("/")["X-Powered-By"] }
    assert_match(/Phusion/, powered.call)
    server.public_send(order) do |one|
      one.passenger_module = TestEnvironment::PASSENGER_MODULE
      one.passenger_root = TestEnvironment::PASSENGER_ROOT
      one.set("PassengerInstanceRegistryDir", nil)
    end
    eventually("mod_passenger's answer, after #{order}") { powered.call =~ /mod_passenger/ }
  ensure
    server.destroy
  end

  def eight_answers(configuration)
    server = started(configuration)
    Array.new(8) { Thread.new { server.client("meets.test").get("/").body } }.map(&:value)
  ensure
    server&.destroy
  end

  # Waits until an answer says "true".
  def strange_headers(configuration)
    server = started(configuration)
    configuration.sites.flat_map do |site|
      answer = eventually("the event in #{site.name}") do
        server.client(site.name).get("/").then { |one| one if one.body == "true" }
      end
      answer.to_hash.keys.grep(/[!~]/)
    end
  ensure
    server&.destroy
  end

  def environments(requests, configuration)
    server = started(configuration)
    requests.map { |request| seen(server, *request) }
  ensure
    server&.destroy
  end

  # The peer's own start fails sometimes ("double free or corruption"); this is no failure of the
  # test.
  def started(configuration, tries: configuration.passenger_module == PEER ? 3 : 1)
    server = HttpdServer.new(configuration)
    server.start
  rescue HttpdServer::Failure
    server.destroy
    raise if (tries -= 1).zero?

    retry
  end

  # Nil if httpd has refused the request.
  def seen(server, site, method, target, headers, body)
    raw = server.raw(site)
    raw.request(method, target,
                headers.merge(body ? { "Content-Length" => body.bytesize.to_s } : {}))
    raw.write(body) if body
    text = raw.response(head: method == "HEAD")["X-Seen"] or return nil
    JSON.parse(text.unpack1("m")).transform_values do |value|
      plain(value.gsub(server.port.to_s, "PORT"))
    end
  ensure
    raw&.close
  end

  # Both forms of an escape mean the same.
  def plain(value)
    value.gsub(/%\h\h/) do |escape|
      if [escape[1..]].pack("H*").match?(/[A-Za-z0-9._~'()*!$,;:@&=+\[\]-]/)
        [escape[1..]].pack("H*")
      else
        escape.upcase
      end
    end
  end

  def difference(request, here, there)
    differing(request, here, there) { |*three| known?(*three) }
  end

  def known?(name, here, there)
    CIRCUMSTANCES.include?(name) || (ONLY_HERE.include?(name) && !there.key?(name)) ||
      (ONLY_THERE.include?(name) && !here.key?(name))
  end

  # The block says for which names a difference is known.
  def differing(request, here, there)
    if here.nil? ^ there.nil?
      return "#{request.take(3).join(' ')}: #{here ? 'refused there' : 'refused here'}"
    end
    return if here.nil?

    lines = (here.keys | there.keys).filter_map do |name|
      next if here[name] == there[name] || yield(name, here, there)

      "  #{name}: #{here[name].inspect[0, 80]} here, #{there[name].inspect[0, 80]} there"
    end
    "#{request.take(3).join(' ')}\n#{lines.join("\n")}" unless lines.empty?
  end
end
