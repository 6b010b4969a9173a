# frozen_string_literal: true

require "cgi"
require "net/http"

# An HTTP client with cookies and forms. Only `tls: true` keeps cookies that are Secure.
class Browser
  SITE = "app.test"

  attr_reader :cookies

  def initialize(server, tls: false)
    @tls = tls
    # On a busy machine Redmine starts in 35 s.
    @client = server.client(SITE, tls: tls, timeout: 60)
    @origin = "http#{'s' if tls}://#{SITE}:#{tls ? server.configuration.tls_port : server.port}"
    @cookies = {}
  end

  def get(path, headers = {})
    keep @client.get(path, sent.merge(headers))
  end

  def post(path, fields, headers = {})
    keep @client.post_form(path, fields, sent.merge(headers))
  end

  def post_json(path, value, headers = {})
    json = { "Content-Type" => "application/json" }
    keep @client.post(path, JSON.generate(value), sent.merge(json, headers))
  end

  # `parts` as for Net::HTTPGenericRequest#set_form.
  def post_parts(path, parts, headers = {})
    keep @client.post_multipart(path, parts, sent.merge(headers))
  end

  def json(path, headers = {})
    answer = get(path, headers)
    raise Minitest::Assertion, "GET #{path}: #{answer.code}" unless answer.code == "200"

    JSON.parse(answer.body)
  end

  # Fills in the form of a page with its hidden fields, and sends it to the page's own URL.
  def submit(path, fields)
    page = get(path).body
    post(path, hidden(page).merge(fields), "Referer" => @origin + path, "Origin" => @origin)
  end

  # As a browser sends a form with `enctype="multipart/form-data"`.
  def submit_parts(path, fields)
    page = get(path).body
    post_parts(path, hidden(page).merge(fields).to_a, "Referer" => @origin + path,
                                                      "Origin" => @origin)
  end

  # The page that an answer redirects to.
  def follow(answer)
    place = URI.join(@origin, answer["Location"].to_s)
    get(place.request_uri)
  end

  # The hidden fields of a page's forms.
  def hidden(page)
    page.scan(/<input[^>]*type="hidden"[^>]*>/).to_h do |input|
      [input[/name="([^"]*)"/, 1], CGI.unescapeHTML(input[/value="([^"]*)"/, 1].to_s)]
    end
  end

  private

  def sent
    return {} if cookies.empty?

    { "Cookie" => cookies.map { |name, value| "#{name}=#{value}" }.join("; ") }
  end

  def keep(answer)
    answer.get_fields("Set-Cookie").to_a.each do |line|
      pair, *attributes = line.split(/;\s*/)
      next if attributes.any? { |one| one.casecmp?("Secure") } && !@tls

      name, value = pair.split("=", 2)
      cookies[name] = value
    end
    answer
  end
end
