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
  VARIABLES = %w[TENANT REQUEST_TENANT SERVER_VARIANT REMOTE_TENANT SSL_TENANT tenant-id tenant.id
                 1st].each_with_index.to_h { |name, index| ["X-Set-#{index}", name] }.freeze

  serve do |made|
    # Each child has a cache of its own.
    made.use_one_child
    folder = SampleApps.written(COUNTS)
    made.set("PassengerMaxInstances", 1)
    with_identifiers(made, folder)
    made.site("varied.test", folder, VARIABLES.map do |header, name|
      "SetEnvIf #{header} \"(.+)\" #{name}=$1\n"
    end.join)
    made.site("rewritten.test", folder, <<~CONF)
      <Directory "#{folder}/public">
        RewriteEngine on
        RewriteRule ^all/(.*)$ /front [L]
        RewriteRule ^in/(\\w+)/(.*)$ /page [E=LOCALE:$1,L]
      </Directory>
    CONF
  end

  # mod_ssl's and mod_unique_id's variables differ with each connection and each request.
  def self.with_identifiers(made, folder)
    unique = File.join(TestEnvironment.modules_dir, "mod_unique_id.so")
    made.main_directives << "LoadModule unique_id_module #{unique}\n"
    made.tls_port = UnusedPort.find
    made.site("secure.test", folder, "SSLOptions +StdEnvVars +ExportCertData\n", tls: true)
  end

  def test_values_of_each_variable_that_the_application_sees_are_kept_apart
    VARIABLES.each do |header, name|
      path = "/#{name}"
      ann = kept("varied.test", path, header => "ann")
      refute_equal ann, count("varied.test", path, header => "bob"), name
      refute_equal ann, count("varied.test", path), name
      assert_equal ann, count("varied.test", path, header => "ann"), name
    end
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
