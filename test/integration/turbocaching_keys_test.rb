# frozen_string_literal: true

require_relative "support/integration_test"

# PassengerTurbocaching: requests whose answers may differ do not share an answer. The application
# says that it does not distinguish them (no Vary), but sees what differs.
class TurbocachingKeysTest < IntegrationTest
  # Counts its requests. An answer that is given again has the same number.
  COUNTS = <<~'RUBY'
    count = 0
    run(proc do
      headers = { "Content-Type" => "text/plain", "Cache-Control" => "max-age=600" }
      [200, headers, [(count += 1).to_s]]
    end)
  RUBY

  # A variable for each kind of name that applications get, by the header that sets it.
  VARIABLES = %w[
    TENANT REQUEST_TENANT SERVER_VARIANT REMOTE_TENANT SSL_TENANT tenant-id tenant.id 1st
    HTTP_SESSION
  ].each_with_index.to_h { |name, index| ["X-Set-#{index}", name] }.freeze

  # By these an application may know the client, or what it has asked for.
  FROM_THE_FRONT = %w[X-Forwarded-Host X-Forwarded-Proto X-Forwarded-Prefix X-Forwarded-User
                      X-Forwarded-Email X-Forwarded-Groups X-Forwarded-Preferred-Username
                      X-Forwarded-Something X-Remote-User Remote-User Forwarded
                      X-Original-URL X-Original-Host X-Host X-Scheme X-Url-Scheme X-Script-Name
                      Front-End-Https].freeze

  serve do |made|
    # Each child has a cache of its own.
    made.use_one_child
    folder = SampleApps.written(COUNTS)
    made.set("PassengerMaxInstances", 1)
    with_identifiers(made, folder)
    made.site("varied.test", folder, VARIABLES.map do |header, name|
      "SetEnvIf #{header} \"(.+)\" #{name}=$1\n"
    end.join)
    made.site("front.test", folder)
    made.site("rewritten.test", folder, <<~CONF)
      <Directory "#{folder}/public">
        RewriteEngine on
        RewriteRule ^all/(.*)$ /front [L]
        RewriteRule ^in/(\\w+)/(.*)$ /page [E=LOCALE:$1,L]
      </Directory>
    CONF
  end

  # mod_ssl's and mod_unique_id's variables differ with each connection and each request. A
  # certificate is longer with RSA than the test's own.
  def self.with_identifiers(made, folder)
    unique = File.join(TestEnvironment.modules_dir, "mod_unique_id.so")
    made.main_directives << "LoadModule unique_id_module #{unique}\n"
    made.tls_port = UnusedPort.find
    made.site("secure.test", folder,
              "SSLOptions +StdEnvVars +ExportCertData\nSetEnv RSA #{'x' * 2_000}\n", tls: true)
  end

  def test_values_of_each_variable_that_the_application_sees_are_kept_apart
    VARIABLES.each { |header, name| assert_apart("varied.test", "/#{name}", header) }
  end

  def test_values_of_each_header_of_a_server_in_front_of_httpd_are_kept_apart
    FROM_THE_FRONT.each { |header| assert_apart("front.test", "/#{header}", header) }
  end

  def test_the_clients_address_does_not_count
    first = kept("front.test", "/", "X-Forwarded-For" => "192.0.2.1")
    assert_equal first, count("front.test", "/", "X-Forwarded-For" => "192.0.2.2")
  end

  def test_identifiers_of_requests_and_connections_do_not_count
    first, *others = Array.new(4) do
      server.client("secure.test", tls: true).get("/", "X-Try" => "1").body
    end
    # Answers of the first instance are not kept.
    assert_equal [others.first] * 3, others, first
  end

  def test_a_request_that_httpd_has_redirected_internally_neither_gets_nor_leaves_an_answer
    %w[/front /page].zip([%w[/all/a /all/b], %w[/in/de/x /in/fr/x]]) do |target, (one, other)|
      direct = kept("rewritten.test", target)
      asked = [one, other, one].map { |path| count("rewritten.test", path) }
      assert_equal [direct, *asked], [direct, *asked].uniq, target
      assert_equal direct, count("rewritten.test", target)
    end
  end

  private

  def assert_apart(site, path, header)
    ann = kept(site, path, header => "ann")
    refute_equal ann, count(site, path, header => "bob"), header
    refute_equal ann, count(site, path, header => ""), header
    refute_equal ann, count(site, path), header
    assert_equal ann, count(site, path, header => "ann"), header
  end

  def count(site, path, headers = {})
    assert_status(200, client(site).get(path, headers)).body
  end

  # Returns the answer that the cache has. Answers of the first instance are not kept.
  def kept(site, path, headers = {})
    eventually("an answer that is given again") do
      answer = count(site, path, headers)
      answer if answer == count(site, path, headers)
    end
  end
end
