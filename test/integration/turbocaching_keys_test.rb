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

  serve do |made|
    # Each child has a cache of its own.
    made.use_one_child
    folder = SampleApps.written(COUNTS)
    made.set("PassengerMaxInstances", 1)
    made.site("rewritten.test", folder, <<~CONF)
      <Directory "#{folder}/public">
        RewriteEngine on
        RewriteRule ^all/(.*)$ /front [L]
        RewriteRule ^in/(\\w+)/(.*)$ /page [E=LOCALE:$1,L]
      </Directory>
    CONF
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
