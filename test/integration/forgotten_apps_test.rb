# frozen_string_literal: true

require_relative "support/integration_test"

# With PassengerResolveSymlinksInDocumentRoot each release is an application of its own. Those that
# nobody requests any more are forgotten.
class ForgottenAppsTest < IntegrationTest
  FORGOTTEN = /event=app\.forgotten app="(.*?)"/.freeze
  RELEASES = 3

  serve do |made|
    made.set("PassengerPoolIdleTime", 1)
    made.set("PassengerMaxAppIdleTime", 1)
    @folder = TestEnvironment.hand_over(SampleApps.new_folder)
    directives = "PassengerMinInstances 0\nPassengerResolveSymlinksInDocumentRoot On\n" \
                 "PassengerSpawnMethod direct\n"
    made.site("deployed.test", @folder, directives, document_root: "#{@folder}/current")
    made.site("other.test", SampleApps.rack, "PassengerMinInstances 1\n")
    deploy(0)
  end

  class << self
    # Makes a release the current one: the DocumentRoot is a link to its public folder.
    def deploy(number)
      release = SampleApps.written(SampleApps.saying("release #{number}"))
      link = File.join(@folder, "current")
      File.symlink(File.join(release, "public"), "#{link}.new")
      File.rename("#{link}.new", link)
      release
    end
  end

  def setup
    # The folder of the releases is made with the server.
    server
  end

  def test_releases_that_nobody_requests_are_forgotten_with_their_descriptors
    assert_equal "200", server.client("other.test").get("/hello").code
    wait_until_all_are_forgotten
    before = descriptors
    releases = Array.new(RELEASES) do |number|
      deploy(number)
    end
    releases.each do |release|
      server.log.wait_for(/event=app\.forgotten app="#{release} /)
    end
    eventually("their descriptors are closed") { descriptors <= before }
    assert_equal "release #{RELEASES - 1}", server.client("deployed.test").get("/").body
    assert_equal "200", server.client("other.test").get("/hello").code
  end

  # Requests come at all moments of the way to oblivion, from several threads.
  def test_a_request_at_any_moment_is_answered
    deploy("now")
    ends = monotonic + 30
    codes = Array.new(3) do |number|
      Thread.new do
        random = Random.new(number)
        codes = []
        while monotonic < ends
          codes << server.client("deployed.test", timeout: 60).get("/").code
          sleep random.rand * 4
        end
        codes
      end
    end.flat_map(&:value)
    assert_equal ["200"], codes.uniq
    server.log.wait_for(FORGOTTEN, from: @log_position)
  end

  private

  # httpd's children look at a link every now and then. Returns the release's folder.
  def deploy(number)
    release = self.class.deploy(number)
    eventually("release #{number}") do
      server.client("deployed.test").get("/").body == "release #{number}"
    end
    release
  end

  def wait_until_all_are_forgotten
    eventually("only the other application") do
      server.client("other.test").get("/hello")
      started = server.log.text.scan(/event=instance\.started app="(.*?)"/).flatten
      started.all? { |app| other?(app) || forgotten_last?(app) }
    end
  end

  # Whether the application was forgotten after its last start.
  def forgotten_last?(app)
    text = server.log.text
    (text.rindex("event=app.forgotten app=\"#{app}\"") || -1) >
      text.rindex("event=instance.started app=\"#{app}\"")
  end

  def other?(app)
    app.start_with?(server.configuration.sites.last.root)
  end

  def descriptors
    Dir.children("/proc/#{server.tree.matching(/passenger-agent pool/).first.pid}/fd").size
  end
end
