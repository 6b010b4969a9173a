# frozen_string_literal: true

require_relative "support/browser"
require_relative "support/integration_test"

# The status page in a real browser: it renews itself, and fits telephones and large screens.
# PASSENGER_TEST_SCREENSHOTS=FOLDER keeps what it looks like.
class StatusBrowserTest < IntegrationTest
  WIDTHS = [390, 1440].freeze
  SCREENSHOTS = ENV.fetch("PASSENGER_TEST_SCREENSHOTS", nil)
  # Elements beside the screen, but for those in a box that scrolls.
  BESIDE = <<~JS
    [...document.querySelectorAll("main *")].filter((one) => !one.closest(".scroll, svg") &&
      (one.getBoundingClientRect().right > innerWidth + 1 || one.getBoundingClientRect().left < -1))
      .map((one) => `${one.tagName}.${one.className} ${one.textContent.slice(0, 40)}`)
  JS

  serve do |made|
    @folder = SampleApps.rack
    made.site("rack.test", @folder, "<Location /status>\nSetHandler passenger-status\n" \
                                    "PassengerStatusDetails On\n</Location>\n")
    made.site("long.test", SampleApps.rack, "PassengerAppGroupName #{'a-long-name' * 12}\n")
    made.site("broken.test", SampleApps.written("raise 'a long reason ' * 20\n"))
  end

  class << self
    attr_reader :folder
  end

  def setup
    return skip_browser unless Browser::PROGRAM

    %w[rack.test long.test].each do |site|
      5.times { assert_status 200, client(site).get("/hello") }
    end
    assert_status 500, client("broken.test").get("/")
  end

  WIDTHS.each do |width|
    define_method(:"test_the_overview_renews_itself_at_#{width}_pixels") do
      look("", width, "overview") do |browser|
        assert_equal 3, browser.value("document.querySelectorAll('.apps > tbody > tr').length")
        assert_operator browser.value("document.querySelectorAll('.tile').length"), :>=, 6
      end
    end

    define_method(:"test_the_page_of_an_application_renews_itself_at_#{width}_pixels") do
      name = URI.encode_www_form_component("#{self.class.folder} (production)")
      look("?app=#{name}", width, "app") do |browser|
        assert_operator browser.value("document.querySelectorAll('figure svg').length"), :>=, 1
      end
    end
  end

  def test_a_page_whose_server_has_gone_says_so
    made = configuration do |one|
      one.site("gone.test", SampleApps.rack,
               "<Location /status>\nSetHandler passenger-status\n</Location>\n")
    end
    Browser.open(width: 390, hosts: %w[gone.test]) do |browser|
      with_server(made) do |own|
        browser.visit("http://gone.test:#{own.port}/status")
        refute late?(browser)
      end
      browser.wait_until("document.body.classList.contains('late')")
    end
  end

  private

  def skip_browser
    puts "", "not run: the status page in a browser: there is no chromium"
    skip "there is no chromium"
  end

  # Yields the page after it has renewed itself.
  def look(query, width, name)
    Browser.open(width: width, hosts: %w[rack.test]) do |browser|
      browser.visit("http://rack.test:#{server.port}/status#{query}")
      browser.value("document.querySelector('main').dataset.first = '1'")
      browser.wait_until("!document.querySelector('main').dataset.first")
      refute late?(browser)
      yield browser
      browser.shoot(File.join(SCREENSHOTS, "#{name}-#{width}.png")) if SCREENSHOTS
      assert_empty browser.errors
      assert_empty browser.value(BESIDE)
      assert_equal width, browser.value("innerWidth")
      assert_operator browser.value("document.documentElement.scrollWidth"), :<=, width
    end
  end

  def late?(browser)
    browser.value("document.body.classList.contains('late')")
  end
end
