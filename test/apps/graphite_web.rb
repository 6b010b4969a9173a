# frozen_string_literal: true

# graphite-web: metrics as JSON and as pictures, with its pages and files.
class GraphiteWeb < Application
  title "graphite-web"
  debian "graphite-web"
  prepare ["/usr/bin/python3", "manage.py"]
  directives do
    "PassengerPython /usr/bin/python3\nAlias /static /usr/share/graphite-web/static\n" \
    "<Location /static>\nPassengerEnabled off\n</Location>\n"
  end

  check "metrics are found" do
    assert_equal ["tea.cups"], browser.json("/metrics/find?query=tea.*").map { |one| one["id"] }
  end

  check "a series is JSON" do
    answer = browser.json("/render?target=sumSeries(tea.*)&from=-30min&format=json").first
    values = answer["datapoints"].map(&:first).compact
    assert_operator values.size, :>=, 25
  end

  check "a graph is a picture" do
    answer = browser.get("/render?target=tea.cups&from=-30min&width=400&height=200")
    assert_status 200, answer
    assert_equal ["image/png", "\x89PNG".b], [answer["Content-Type"], answer.body.b[0, 4]]
  end

  check "a long list of targets is posted" do
    fields = [%w[format json], %w[from -10min], *Array.new(500) { %w[target tea.cups] }]
    answer = browser.post("/render", fields)
    series = JSON.parse(assert_status(200, answer).body)
    assert_equal ["tea.cups"], series.map { |one| one["target"] }.uniq
  end

  check "the pages and their files are there" do
    assert_includes assert_status(200, browser.get("/")).body, "Graphite Browser"
    assert_includes assert_status(200, browser.get("/dashboard/")).body, "Graphite Dashboard"
    assert_status 200, browser.get("/static/js/dashboard.js")
  end
end
