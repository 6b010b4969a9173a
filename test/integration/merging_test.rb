# frozen_string_literal: true

require "json"
require "open3"

require_relative "support/integration_test"

# Each row of the table of directives, set at one place of the configuration, at another, and at
# both. A module for this test (settings/mod_settings.cpp) tells which value a request gets.
class MergingTest < IntegrationTest
  LIST = File.join(TestEnvironment::BUILD_DIR, "script/documents/list_directives")
  MODULE = File.join(TestEnvironment::BUILD_DIR, "test/integration/.libs/mod_settings.so")
  ROWS = JSON.parse(Open3.capture2(LIST).first).reject { |row| row["successor"] || row["notice"] }
    .freeze
  GLOBAL, PLACED = ROWS.partition { |row| row["context"] == "global" }

  # From outermost to innermost, in httpd's order of merging.
  PLACES = %i[host directory htaccess files location if].freeze

  # Two different values, as written and as stored.
  def self.values(row)
    # They exist on each Debian.
    return %w[daemon games] if %w[PassengerAgentUser PassengerUser].include?(row["name"])
    return %w[/tmp /var/tmp] if row["name"] == "PassengerDataBufferDir"

    case row["kind"]
    when "flag" then %w[on off]
    when "number", "seconds", "bytes" then [row["least"], row["most"]].map(&:to_s)
    when "time" then %w[0 1ms]
    when "memory" then %w[1 2]
    # Not two words with the same meaning.
    when "choice" then [row["choices"].first,
                        (%w[direct wsgi thread log json high] & row["choices"]).first]
    when "path", "uri", "log", "warm-up" then %w[/first /second]
    when "fairness" then %w[client header:x]
    when "address" then %w[127.0.0.1 127.0.0.2]
    when "url" then %w[http://first/ http://second/]
    else %w[first second]
    end
  end

  def self.lines(rows, index)
    rows.map { |row| "#{row['name']} #{values(row)[index]}\n" }.join
  end

  # The values that a request gets if these values are set, outermost first.
  def self.expected(row, said)
    return if said.empty?

    said = said.map { |index| values(row)[index].delete_suffix("ms") }
    row["list"] ? said.join(" ") : said.last
  end

  # All pairs of places; .htaccess only with directives that are allowed there.
  SCENARIOS = PLACES.combination(2).flat_map { |pair| [[pair.first], [pair.last], pair] }
    .uniq.freeze

  [false, true].each do |said_for_the_server|
    where = said_for_the_server ? "and_for_the_server" : "and_not_for_the_server"
    define_method("test_each_directive_counts_as_said_at_one_and_at_two_places_#{where}") do
      app = SampleApps.rack
      made = configuration do |one|
        one.main_directives = "LoadModule settings_module \"#{MODULE}\"\n" \
                              "#{self.class.lines(PLACED, 0) if said_for_the_server}"
        SCENARIOS.each do |places|
          one.site("#{places.join('-')}.test", site_for(places, app), text_for(places))
        end
      end
      with_server(made) do |server|
        SCENARIOS.each { |places| check(server, places, said_for_the_server) }
      end
    end
  end

  def test_server_directives_have_one_value_for_all_virtual_hosts
    rows = GLOBAL.reject { |row| %w[PassengerRoot PassengerCtl].include?(row["name"]) }
    output = checked("#{self.class.lines(rows, 0)}<VirtualHost *:1>\n" \
                     "#{self.class.lines(rows, 1)}</VirtualHost>\n")
    rows.each do |row|
      assert_equal self.class.expected(row, [0, 1]), told(output)[row["name"]], row["name"]
    end
  end

  def test_an_alias_sets_the_directives_value
    ROWS.each do |row|
      row["aliases"].each do |name|
        value = self.class.values(row).last
        found = told(checked("#{name} #{value}\n"))[row["name"]]
        assert_equal value.delete_suffix("ms"), found, name
      end
    end
  end

  # Each request merges its place's settings with those of the section, for its check alone.
  def test_a_section_of_a_require_provider_keeps_nothing_of_a_request
    made = configuration do |one|
      one.main_directives = "LoadModule settings_module \"#{MODULE}\"\n" \
                            "<AuthzProviderAlias settings told all>\n" \
                            "PassengerMinInstances 7\nPassengerBaseURI /told\n" \
                            "</AuthzProviderAlias>\n"
      app = SampleApps.rack
      { "one.test" => "PassengerAppEnv one\nPassengerBaseURI /one\n",
        "two.test" => "PassengerMaxRequests 2\n" }.each do |name, directives|
        one.site(name, app, "#{directives}<Location />\nRequire told\n</Location>\n")
      end
    end
    with_server(made) do |server|
      seen = lambda do |site|
        told(assert_status(200, server.client(site).get("/static.txt", "X-Settings" => "yes")).body)
          .slice(*%w[PassengerAppEnv PassengerMaxRequests PassengerMinInstances PassengerBaseURI])
      end
      3.times do
        assert_equal({ "PassengerMinInstances" => "7", "PassengerAppEnv" => "one",
                       "PassengerBaseURI" => "/one /told" }, seen.call("one.test"))
        assert_equal({ "PassengerMinInstances" => "7", "PassengerMaxRequests" => "2",
                       "PassengerBaseURI" => "/told" }, seen.call("two.test"))
      end
    end
  end

  private

  # A copy only if the site has a .htaccess file of its own.
  def site_for(places, app)
    @folders ||= {}
    @folders[places] = places.include?(:htaccess) ? SampleApps.rack : app
    return @folders[places] unless places.include?(:htaccess)

    File.write(File.join(@folders[places], "public/.htaccess"), said_at(places, :htaccess))
    @folders[places]
  end

  def text_for(places)
    folder = @folders[places]
    begins = { directory: "<Directory \"#{folder}/public\">", files: "<Files \"static.txt\">",
               location: "<Location \"/static.txt\">", if: "<If true>" }
    host = places.include?(:host) ? said_at(places, :host) : ""
    allowed = "<Directory \"#{folder}/public\">\nAllowOverride All\n</Directory>\n"
    sections = begins.slice(*places).map do |place, line|
      "#{line}\n#{said_at(places, place)}</#{line[/\w+/]}>\n"
    end
    host + (places.include?(:htaccess) ? allowed : "") + sections.join
  end

  # The first of two places has the first value, the last place the second.
  def said_at(places, place)
    self.class.lines(allowed_at(place), place == places.last ? 1 : 0)
  end

  def allowed_at(place)
    place == :htaccess ? PLACED.select { |row| %w[local options].include?(row["context"]) } : PLACED
  end

  def check(server, places, said_for_the_server)
    answer = server.client("#{places.join('-')}.test").get("/static.txt", "X-Settings" => "yes")
    assert_status 200, answer
    expected = PLACED.to_h do |row|
      said = places.select { |place| allowed_at(place).include?(row) }
        .map { |place| place == places.last ? 1 : 0 }
      said.unshift(0) if said_for_the_server
      [row["name"], self.class.expected(row, said)]
    end
    assert_equal expected.compact, told(answer.body).slice(*expected.keys), places.join(", ")
  end

  def told(text)
    text.lines(chomp: true).map { |line| line.split("=", 2) }.select { |pair| pair.size == 2 }.to_h
  end

  # The output of `httpd -t` for a configuration with this text.
  def checked(text)
    made = configuration do |one|
      one.main_directives = "LoadModule settings_module \"#{MODULE}\"\n#{text}"
    end
    server = HttpdServer.new(made)
    output, status = server.check_configuration
    assert status.success?, output
    output
  ensure
    server&.destroy
  end
end
