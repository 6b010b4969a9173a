# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/steady_load"
require_relative "support/warm_up_apps"

# PassengerWarmUp: what a new instance answers before it takes requests of clients.
class WarmUpTest < IntegrationTest
  NODE = system("node --version >/dev/null 2>&1")
  LANGUAGES = WarmUpApps::ALL.keys.freeze
  PATH = "/warm?up=1"
  FIRST = "GET /warm up=1 localhost mod_passenger PassengerWarmUp 127.0.0.1 http"
  NODE_ENDING = [/^.*"fails".*$/, "if (path === '/warm') process.exit(3);\n\\0"].freeze
  # By language: where a line of the application ends its process when it is warmed up.
  ENDING = {
    "ruby" => [/^.*path == "\/warm"$/, "\\0\nexit! 3"],
    "node" => NODE_ENDING,
    "command" => NODE_ENDING
  }.freeze
  NODE_THROWING = [/^.*"fails".*$/, "if (path === '/warm') throw Error('no cache');\n\\0"].freeze
  BLOCKING = [/^.*scope\["path"\] == "\/warm":$/,
              "\\0\n            __import__('time').sleep(3600)"].freeze
  # Seconds. The limit of a warm-up is a second shorter.
  START_TIMEOUT = 15
  # The first request of each process is slow, as with code that is loaded late.
  SLOW_AT_FIRST = <<~'RUBY'
    first = true
    lock = Mutex.new
    run(lambda do |env|
      slow = lock.synchronize { first.tap { first = false } }
      sleep 1 if slow
      text = "VERSION #{slow ? 'slow' : 'fast'}"
      [200, { "content-type" => "text/plain" }, [text]]
    end)
  RUBY

  # One of its versions does not end its warm-up.
  HANGS_ONCE = <<~'RUBY'
    version = "old"
    run(lambda do |env|
      if version == "hanging"
        File.write("tmp/hangs", "#{Process.pid}\n")
        sleep
      end
      [200, { "content-type" => "text/plain" }, [version]]
    end)
  RUBY

  serve do |made|
    made.set("PassengerMaxPoolSize", 60)
    WarmUpApps.add_to(made, "plain", "PassengerWarmUp #{PATH}\n")
    WarmUpApps.add_to(made, "fails", "PassengerWarmUp #{PATH}\nSetEnv MODE fails\n")
    WarmUpApps.add_to(made, "hangs", "PassengerWarmUp #{PATH}\nSetEnv MODE hangs\n" \
                                     "PassengerStartTimeout #{START_TIMEOUT}\n")
    WarmUpApps.add_to(made, "none", "", %w[ruby])
    WarmUpApps.add_to(made, "two", "PassengerWarmUp https://www.example.org/a\n" \
                                   "PassengerWarmUp /b\n", %w[ruby wsgi asgi node command])
    WarmUpApps.add_to(made, "one", "PassengerWarmUp #{PATH}\nPassengerMaxInstances 1\n",
                      %w[ruby wsgi asgi node command])
    WarmUpApps.add_to(made, "ends", "PassengerWarmUp #{PATH}\n", ENDING.keys)
    WarmUpApps.add_to(made, "throws", "PassengerWarmUp #{PATH}\n", %w[node])
    WarmUpApps.add_to(made, "blocks", "PassengerWarmUp #{PATH}\nPassengerStartTimeout 10\n",
                      %w[asgi])
    more = "PassengerWarmUp /\nPassengerMinInstances 2\nPassengerMaxInstances 2\n"
    made.site("deploy.test", slow_at_first("old"), more)
    made.site("again.test", SampleApps.written(HANGS_ONCE),
              "PassengerWarmUp /\nPassengerStartTimeout 3600\n")
    made.site("single.test", slow_at_first("old"), "PassengerWarmUp /\nPassengerMaxInstances 1\n")
  end

  def self.slow_at_first(version)
    SampleApps.written(SLOW_AT_FIRST.sub("VERSION", version))
  end

  LANGUAGES.each do |language|
    define_method("test_a_new_instance_answers_the_warm_up_first_in_the_language_#{language}") do
      needs(language)
      site = "#{language}.plain.test"
      assert_equal "2 #{FIRST}", first_answer(site)
      server.log.wait_for(/event=warm_up\.done app="#{root(site)} .*" #{shown} status=200 ms=\d+$/)
    end

    define_method("test_an_instance_whose_warm_up_fails_serves_in_the_language_#{language}") do
      needs(language)
      site = "#{language}.fails.test"
      assert_match(/\A[12] /, first_answer(site))
      server.log.wait_for(/event=warm_up\.failed app="#{root(site)} .*" #{shown} /)
    end
  end

  def test_an_instance_whose_warm_up_hangs_serves_before_the_start_takes_too_long
    languages = LANGUAGES.select { |language| NODE || !node?(language) }
    answers = languages.to_h do |language|
      [language, Thread.new { first_answer("#{language}.hangs.test") }]
    end
    answers.each do |language, answer|
      assert_equal "2 #{FIRST}", answer.value.sub(/ hangs\z/, ""), language
      root = root("#{language}.hangs.test")
      server.log.wait_for(/event=warm_up\.failed app="#{root} .*no answer within \d+ ms/)
    end
  end

  def test_no_instance_is_warmed_up_by_default
    assert_match(%r{\A1 GET /}, first_answer("ruby.none.test"))
    assert_equal 0, server.log.count(/event=warm_up.*#{root('ruby.none.test')}/)
  end

  %w[ruby wsgi asgi node command].each do |language|
    define_method("test_each_directive_is_a_request_and_a_url_names_host_and_scheme_#{language}") do
      needs(language)
      assert_match(%r{\A3 GET /a  www\.example\.org .* 127\.0\.0\.1 https\b},
                   first_answer("#{language}.two.test"))
    end

    define_method("test_an_instance_that_is_taken_over_is_not_warmed_up_again_#{language}") do
      needs(language)
      site = "#{language}.one.test"
      assert_equal "2 #{FIRST}", first_answer(site)
      pool = server.tree.matching(/passenger-agent\S* pool/).first.pid
      Process.kill("KILL", pool)
      eventually("another pool process") do
        server.tree.matching(/passenger-agent\S* pool/).any? { |process| process.pid != pool }
      end
      assert_equal "3 #{FIRST}", first_answer(site)
    end
  end

  ENDING.each do |language, line|
    define_method("test_a_version_that_ends_in_its_warm_up_is_not_deployed_#{language}") do
      needs(language)
      assert_not_deployed("#{language}.ends.test", *line)
    end
  end

  def test_a_version_of_node_that_throws_in_its_warm_up_is_not_deployed
    needs("node")
    position = assert_not_deployed("node.throws.test", *NODE_THROWING)
    reason = /error="the step \\"warm-up\\" failed with Error: no cache"/
    server.log.wait_for(/event=spawn\.failed app="#{root('node.throws.test')} .*#{reason}/,
                        from: position)
  end

  def test_a_version_of_asgi_that_blocks_the_loop_in_its_warm_up_is_not_deployed
    assert_not_deployed("asgi.blocks.test", *BLOCKING)
  end

  def test_a_further_restart_ends_the_warm_up_of_the_version_that_it_replaces
    site = "again.test"
    assert_equal "old", first_answer(site)
    restart(site) { |text| text.sub("old", "hanging") }
    pid = eventually("a warm-up") { File.read(File.join(folder(site), "tmp/hangs"))[/.+(?=\n)/] }
    restart(site) { |text| text.sub("hanging", "new") }
    eventually("the new version") { first_answer(site) == "new" }
    eventually("the end of the hanging instance") { !File.exist?("/proc/#{pid}") }
  end

  def test_no_client_sees_the_first_request_of_a_new_version
    assert_deploys_unnoticed("deploy.test")
  end

  def test_no_client_sees_the_first_request_of_the_successor_of_a_single_instance
    assert_deploys_unnoticed("single.test")
  end

  private

  # Returns where the log of the restart begins.
  def assert_not_deployed(site, line, replacement)
    assert_equal "2 #{FIRST}", first_answer(site)
    position = server.log.position
    file = WarmUpApps::ALL.fetch(site[/\A\w+/]).first
    restart(site, file) { |text| text.sub(line, replacement) }
    server.log.wait_for(/event=deploy\.failed app="#{root(site)} /, from: position)
    assert_equal "3 #{FIRST}", first_answer(site)
    position
  end

  # The block makes the text of the application's next version.
  def restart(site, file = "config.ru")
    path = File.join(folder(site), file)
    File.write(path, yield(File.read(path)))
    FileUtils.touch(File.join(folder(site), "tmp/restart.txt"))
  end

  def assert_deploys_unnoticed(site)
    assert_equal "old fast", first_answer(site)
    answers = SteadyLoad.during(client(site), threads: 3) do |load|
      restart(site) { SLOW_AT_FIRST.sub("VERSION", "new") }
      load.wait_for("the new version") { |answer| answer.body.start_with?("new") }
      server.log.wait_for(/event=warm_up\.done app="#{root(site)} /)
      load.wait_for_all("answers of the new version", count: 20)
    end
    assert_equal [[200, "new fast"], [200, "old fast"]],
                 answers.map { |answer| [answer.code, answer.body] }.uniq.sort
  end

  def first_answer(site)
    assert_status(200, client(site).get("/")).body.strip
  end

  def shown
    Regexp.escape("path=\"#{PATH}\"")
  end

  def folder(site)
    server.configuration.sites.find { |one| one.name == site }.root
  end

  def root(site)
    Regexp.escape(folder(site))
  end

  def node?(language)
    %w[node command cluster].include?(language)
  end

  def needs(language)
    skip "there is no node" if node?(language) && !NODE
  end
end
