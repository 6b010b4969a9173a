# frozen_string_literal: true

require "json"
require "uri"

require_relative "bodies"
require_relative "disasters"
require_relative "echoes"
require_relative "pattern_stream"

# Behaviour of applications that Rails hides, without any gem; a server must handle each. The method
# `some` answers a path `/some/thing`, and gets the rest and the query; see the modules.
class BareApp
  include Bodies
  include Disasters
  include Echoes

  # The listed paths, not arbitrary method names, can be called.
  PAGES = (Bodies.instance_methods + Disasters.instance_methods + Echoes.instance_methods)
    .map(&:to_s).freeze

  def call(env)
    _, page, rest = env["PATH_INFO"].split("/", 3)
    page = "hello" if page.nil? || page.empty?
    return text(404, "no such page\n") unless PAGES.include?(page)

    public_send(page, Request.new(env, rest))
  end

  # The environment, the path behind the page's name, and the query's parameters.
  class Request
    attr_reader :env, :rest

    def initialize(env, rest)
      @env = env
      @rest = rest
    end

    def [](name)
      query[name]
    end

    def input
      env["rack.input"]
    end

    private

    def query
      @query ||= URI.decode_www_form(env["QUERY_STRING"].to_s).to_h
    end
  end

  private

  def text(status, body, headers = {})
    [status, { "Content-Type" => "text/plain",
               "Content-Length" => body.bytesize.to_s }.merge(headers), [body]]
  end

  # Writes a line with the pid for each run of a page that a test counts.
  def note_start(request)
    File.write(request["started"], "#{Process.pid}\n", mode: "a") if request["started"]
  end

  def json(value, headers = {})
    text(200, JSON.generate(value), { "Content-Type" => "application/json" }.merge(headers))
  end
end
