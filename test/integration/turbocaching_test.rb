# frozen_string_literal: true

require "base64"
require "digest"
require "time"
require_relative "support/integration_test"

# PassengerTurbocaching: httpd gives answers again that the application has made public, without
# asking the application.
class TurbocachingTest < IntegrationTest
  # Counts its requests. The query has headers and status, one header a line.
  COUNTS = <<~RUBY
    count = 0
    version = File.exist?("version") ? File.read("version") : "1"
    run proc { |env|
      lines = URI.decode_www_form_component(env["QUERY_STRING"]).lines
      headers = lines.to_h { |line| line.chomp.split(": ", 2) }
      status = headers.delete("Answer") || 200
      size = headers.delete("Size").to_i
      if headers.delete("Expires-First")
        headers["Expires"] = (Time.now + 2).httpdate
        sleep 2.1
      end
      text = "\#{version} \#{count += 1} \#{env['REQUEST_METHOD']} " \\
             "\#{env['HTTP_X_FORWARDED_HOST']}" + ("x" * size)
      headers = { "Content-Type" => "text/plain", "X-Count" => count.to_s }.merge(headers)
      [Integer(status), headers, [text]]
    }
  RUBY
  # Counts its requests and makes its answers public. It answers a change with the header that the
  # request names, or not at all.
  NAMES = <<~'RUBY'
    count = 0
    run proc { |env|
      File.open(env["HTTP_X_WAIT"], &:gets) if env["HTTP_X_WAIT"]
      Process.kill(:KILL, Process.pid) if env["HTTP_X_DIE"]
      headers = { "Content-Type" => "text/plain", "Cache-Control" => "max-age=600" }
      named, value = env["HTTP_X_NAMED"]&.split(": ", 2)
      headers[named] = value.to_s.gsub(", ", "\n") if named
      [named ? 302 : 200, headers, ["#{Process.pid} #{count += 1}"]]
    }
  RUBY
  CACHED = "Cache-Control: max-age=600, public"

  serve do |made|
    # Each child has a cache of its own.
    made.use_one_child
    counts = SampleApps.written("require \"time\"\nrequire \"uri\"\n#{COUNTS.gsub('\#', '#')}")
    made.site("app.test", counts, "PassengerMaxInstances 1\n")
    made.site("varied.test", counts,
              "PassengerMaxInstances 1\nSetEnvIf Cookie \"who=([a-z]+)\" WHO=$1\n")
    made.site("again.test", counts, "PassengerMaxInstances 1\n")
    protected_site(made, counts)
    made.site("named.test", SampleApps.written(NAMES), "PassengerMaxInstances 1\n")
    # The application reads the whole body.
    made.site("streamed.test",
              SampleApps.written(NAMES.sub("{ |env|", "{ |env| env['rack.input']&.read;")),
              "PassengerMaxInstances 1\nPassengerBufferUpload off\n")
    made.site("limited.test", SampleApps.written(NAMES),
              "PassengerMaxInstances 1\nPassengerMaxRequestTime 1\n")
    made.site("overridden.test", counts,
              "PassengerMaxInstances 1\nPassengerErrorOverride on\nErrorDocument 404 ours\n")
    made.site("sticky.test", counts, "PassengerMaxInstances 1\nPassengerStickySessions on\n")
  end

  def self.protected_site(made, app)
    users = File.join(SampleApps.new_folder, "users")
    File.write(users, "ann:{SHA}#{Base64.strict_encode64(Digest::SHA1.digest('secret'))}\n")
    modules = %w[authn_core auth_basic authn_file authz_user]
    modules.each do |name|
      made.main_directives << "LoadModule #{name}_module " \
                              "\"#{TestEnvironment.modules_dir}/mod_#{name}.so\"\n"
    end
    made.site("protected.test", app, <<~CONF)
      PassengerMaxInstances 1
      <Location />
        AuthType Basic
        AuthName x
        AuthUserFile #{users}
        Require valid-user
      </Location>
    CONF
  end

  def test_answers_that_depend_on_variables_of_the_client_are_kept_apart
    path = "/?#{URI.encode_www_form_component(CACHED)}"
    ann, bob, again = %w[ann bob ann].map do |who|
      server.client("varied.test").get(path, "Cookie" => "who=#{who}").body
    end
    refute_equal ann, bob
    assert_equal ann, again
  end

  def test_a_public_answer_is_given_again_unchanged
    first = ask(CACHED, "X-Other: kept")
    second = ask(CACHED, "X-Other: kept")
    assert_equal first.body, second.body
    refute first.key?("Age")
    assert_match(/\A\d+\z/, second["Age"])
    ignored = %w[age date]
    assert_equal first.to_hash.except(*ignored), second.to_hash.except(*ignored)
  end

  def test_an_answer_is_kept_as_long_as_it_is_fresh
    # On a machine that stalls, a second may be over before the next request.
    first = eventually("an answer that is given again") do
      ask("Cache-Control: max-age=1").then do |answer|
        answer if answer.body == ask("Cache-Control: max-age=1").body
      end
    end
    Eventually.eventually("a new answer") { ask("Cache-Control: max-age=1").body != first.body }
  end

  def test_an_answer_with_expires_is_kept_too
    expires = "Expires: #{(Time.now + 600).httpdate}"
    assert_equal ask(expires).body, ask(expires).body
  end

  def test_an_answer_that_has_expired_before_it_came_is_not_kept
    refute_equal ask("Expires-First: yes").body, ask("Expires-First: yes").body
  end

  NOT_KEPT = {
    "does_not_say_how_long" => ["Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT"],
    "is_private" => ["Cache-Control: private, max-age=600"],
    "must_not_be_stored" => ["Cache-Control: no-store, max-age=600"],
    "must_be_asked_for" => ["Cache-Control: no-cache, max-age=600"],
    "is_stale_at_once" => ["Cache-Control: max-age=0"],
    "varies" => [CACHED, "Vary: Accept-Language"],
    "sets_a_cookie" => [CACHED, "Set-Cookie: a=b"],
    "is_a_failure" => [CACHED, "Answer: 500"],
    "is_a_redirect_for_now" => [CACHED, "Answer: 302", "Location: /"],
    "is_large" => [CACHED, "Size: 40000"],
    "ends_the_connection" => [CACHED, "Connection: close"]
  }.freeze

  NOT_KEPT.each do |what, lines|
    define_method("test_an_answer_that_#{what}_is_not_kept") do
      refute_equal ask(*lines).body, ask(*lines).body
    end
  end

  def test_answers_301_404_and_410_may_be_kept
    %w[301 404 410].each do |status|
      lines = [CACHED, "Answer: #{status}", "Location: /"]
      first = ask(*lines)
      assert_equal [status, first.body], [ask(*lines).code, ask(*lines).body]
    end
  end

  NOT_ASKED = {
    "a_user" => { "Authorization" => "Basic eDp5" },
    "no_cached_answer" => { "Cache-Control" => "no-cache" },
    "no_cached_answer_in_the_old_way" => { "Pragma" => "no-cache" },
    "a_range" => { "Range" => "bytes=0-1" },
    "a_condition" => { "If-None-Match" => "\"x\"" }
  }.freeze

  NOT_ASKED.each do |what, headers|
    define_method("test_a_request_with_#{what}_goes_to_the_application_and_leaves_nothing") do
      special = ask(CACHED, headers: headers).body
      first = ask(CACHED).body
      refute_equal special, first
      refute_equal first, ask(CACHED, headers: headers).body
      assert_equal first, ask(CACHED).body
    end
  end

  def test_answers_to_authenticated_users_are_not_kept
    credentials = { "Authorization" => "Basic #{Base64.strict_encode64('ann:secret')}" }
    2.times { assert_equal "200", ask(CACHED, site: "protected.test", headers: credentials).code }
    refute_equal ask(CACHED, site: "protected.test", headers: credentials).body,
                 ask(CACHED, site: "protected.test", headers: credentials).body
    assert_equal "401", ask(CACHED, site: "protected.test").code
  end

  def test_sticky_sessions_have_no_cached_answers
    refute_equal ask(CACHED, site: "sticky.test").body, ask(CACHED, site: "sticky.test").body
  end

  def test_urls_queries_hosts_and_virtual_hosts_are_kept_apart
    bodies = [ask(CACHED), ask(CACHED, "X-Y: z"), ask(CACHED, path: "/other"),
              ask(CACHED, site: "again.test"),
              ask(CACHED, headers: { "X-Forwarded-Host" => "evil.test" }),
              ask(CACHED, path: "/oth%65r"),
              ask(CACHED, headers: { "Host" => "app.test:1" })].map(&:body)
    assert_equal bodies, bodies.uniq
    refute_includes ask(CACHED).body, "evil"
  end

  def test_head_is_answered_from_gets_answer_and_leaves_none
    raw = server.raw("app.test")
    target = url([CACHED])
    head = raw.request("HEAD", target).response(head: true)
    first = raw.get(target)
    refute_equal head["X-Count"], first["X-Count"]
    cached = raw.request("HEAD", target).response(head: true)
    assert_equal [first["X-Count"], first["Content-Type"]],
                 [cached["X-Count"], cached["Content-Type"]]
    assert_equal first.body, raw.get(target).body
  ensure
    raw&.close
  end

  def test_an_unsafe_method_drops_the_answer_of_its_url
    %w[POST PUT DELETE PATCH].each do |method|
      first = ask(CACHED).body
      assert_equal first, ask(CACHED).body
      change(method)
      refute_equal first, ask(CACHED).body, method
    end
  end

  def test_a_change_drops_the_answers_that_its_own_answer_names
    path = "#{@path}/a%20b"
    ["Location: http://named.test#{path}?x=1", "Location: //NAMED.test:80#{path}?x=1",
     "Content-Location: #{@path}/./a%20b?x=1",
     "location: #{@path}/c/../%61%20b?x=1", "Location: #{name}/a%20b?x=1"].each do |named|
      first = count("#{path}?x=1")
      assert_equal first, count("#{path}?x=1")
      assert_equal 302, change_naming(named)
      refute_equal first, count("#{path}?x=1"), named
    end
  end

  def test_a_change_drops_no_other_answer_and_none_of_another_host
    path = "#{@path}/other"
    first = count(path)
    ["Location: http://evil.test#{path}", "Location: #{path}?x", "Location: http://",
     "Location: %zz",
     "Link: #{path}"].each { |named| assert_equal 302, change_naming(named) }
    assert_equal first, count(path)
  end

  # Changes of one application can drop answers of others.
  def test_a_change_drops_the_answer_that_it_names_first_and_no_further_ones
    first = count("#{@path}/first")
    second = count("#{@path}/second")
    change_naming("Location: #{@path}/first, #{@path}/second")
    refute_equal first, count("#{@path}/first")
    assert_equal second, count("#{@path}/second")
  end

  def test_httpds_error_document_replaces_a_cached_answer_too
    lines = [CACHED, "Answer: 404"]
    # Answers of the first instance are not kept.
    before = Integer(ask("Cache-Control: no-store", site: "overridden.test")["X-Count"])
    pages = Array.new(3) { ask(*lines, site: "overridden.test") }
    assert_equal [%w[404 ours]] * 3, pages.map { |page| [page.code, page.body] }
    assert_empty pages.filter_map { |page| page["Age"] || page["X-Count"] || page["Cache-Control"] }
    # The application had one request.
    assert_equal before + 2, Integer(ask("Cache-Control: no-store",
                                         site: "overridden.test")["X-Count"])
  end

  def test_a_change_that_failed_drops_no_answer
    lines = [CACHED, "Answer: 404"]
    first = ask(*lines).body
    change("POST", lines)
    assert_equal first, ask(*lines).body
  end

  # The application may have made the change all the same.
  def test_a_change_whose_client_leaves_drops_the_answer
    first = count(@path)
    raw = server.raw("named.test")
    position = server.log.position
    raw.request("POST", @path, { "Content-Length" => "0", "X-Wait" => fifo })
    raw.close
    server.log.wait_for(/request\.given_up .*the client left/, from: position)
    release(File.join(scratch, "fifo"))
    refute_equal first, count(@path)
  end

  def test_a_change_whose_client_leaves_during_a_streamed_upload_drops_the_answer
    first = count(@path, "streamed.test")
    assert_equal first, count(@path, "streamed.test")
    raw = server.raw("streamed.test")
    position = server.log.position
    raw.request("PUT", @path, { "Content-Length" => "100000" }).write("x" * 50_000)
    raw.close
    server.log.wait_for(/request\.given_up .*the client left before/, from: position)
    refute_equal first, count(@path, "streamed.test")
  end

  def test_a_change_that_overruns_its_time_or_dies_drops_the_answer
    { "X-Wait" => fifo, "X-Die" => "1" }.each do |header, value|
      first = count(@path, "limited.test")
      assert_equal first, count(@path, "limited.test")
      status = client("limited.test").post(@path, "", { header => value }).code
      assert_operator Integer(status), :>=, 500
      refute_equal first, count(@path, "limited.test"), header
    end
  end

  def test_a_new_version_of_the_application_drops_all_answers
    app = server.configuration.sites.first.root
    first = ask(CACHED).body
    assert_equal first, ask(CACHED).body
    File.write(File.join(app, "version"), "2")
    FileUtils.touch(TestEnvironment.hand_over(restart_file(app)))
    Eventually.eventually("the new version") { ask(CACHED).body.start_with?("2 ") }
    assert_equal ask(CACHED).body, ask(CACHED).body
  end

  def test_a_change_drops_answers_in_all_children
    with_server(configuration { |made| shared(made) }) do |server|
      client = server.client("app.test")
      target = url([CACHED])
      100.times { client.get(target) }
      change("POST", [CACHED], server)
      newest = nil
      30.times do
        count = Integer(client.get(target)["X-Count"])
        newest ||= count
        assert_operator count, :>=, newest
      end
    end
  end

  def test_the_cache_can_be_turned_off
    made = configuration do |one|
      shared(one)
      one.set("PassengerTurbocaching", "off")
    end
    with_server(made) do |server|
      client = server.client("app.test")
      refute_equal client.get(url([CACHED])).body, client.get(url([CACHED])).body
    end
  end

  def setup
    @path = "/#{name}"
  end

  private

  def shared(made)
    root = SampleApps.written("require \"uri\"\n#{COUNTS.gsub('\#', '#')}")
    made.site("app.test", root, "PassengerMaxInstances 1\n")
  end

  def restart_file(app)
    File.join(app, "tmp/restart.txt").tap { |path| File.write(path, "") }
  end

  def url(lines, path = @path)
    "#{path}?#{URI.encode_www_form_component(lines.join("\n"))}"
  end

  def ask(*lines, path: @path, site: "app.test", headers: {})
    client(site).get(url(lines, path), headers)
  end

  def count(path, site = "named.test")
    client(site).get(path).body
  end

  # Returns the status of the answer.
  def change_naming(header)
    raw = server.raw("named.test")
    raw.request("POST", "/#{name}",
                { "Content-Length" => "0", "X-Named" => header }).response.status
  ensure
    raw&.close
  end

  def change(method, lines = [CACHED], server = self.server)
    raw = server.raw("app.test")
    raw.request(method, url(lines), { "Content-Length" => "0" }).response
  ensure
    raw&.close
  end
end
