# frozen_string_literal: true

require "json"
require "net/http"

# Sends requests like most clients. It never repeats a request, so a test sees each failure.
class HttpClient
  def initialize(port, site, timeout: 60, tls: false, address: "127.0.0.1")
    @address = address
    @port = port
    @host = "#{site}:#{port}"
    @timeout = timeout
    @tls = tls
  end

  # One connection for several requests.
  def keep_alive
    connection = connect
    yield connection
  ensure
    connection&.finish if connection&.started?
  end

  def get(path, headers = {})
    perform(request_for(Net::HTTP::Get, path, headers))
  end

  def head(path, headers = {})
    perform(request_for(Net::HTTP::Head, path, headers))
  end

  def post(path, body = "", headers = {})
    request = request_for(Net::HTTP::Post, path,
                          { "Content-Type" => "application/octet-stream" }.merge(headers))
    request.body = body
    perform(request)
  end

  def post_form(path, fields, headers = {})
    request = request_for(Net::HTTP::Post, path, headers)
    request.set_form_data(fields)
    perform(request)
  end

  # `parts` as for Net::HTTPGenericRequest#set_form.
  def post_multipart(path, parts, headers = {})
    request = request_for(Net::HTTP::Post, path, headers)
    request.set_form(parts, "multipart/form-data")
    perform(request)
  end

  # Sends the stream's bytes, with a length if one is given, and otherwise chunked.
  def post_stream(path, stream, length: nil, headers: {})
    request = request_for(Net::HTTP::Post, path,
                          { "Content-Type" => "application/octet-stream" }.merge(headers))
    request.body_stream = stream
    length ? request.content_length = length : request["Transfer-Encoding"] = "chunked"
    perform(request)
  end

  # Yields pieces of the body as they arrive; returns the response.
  def get_stream(path, headers = {}, &block)
    connection = connect
    connection.request(request_for(Net::HTTP::Get, path, headers)) do |response|
      response.read_body(&block)
    end
  ensure
    connection&.finish if connection&.started?
  end

  def json(path, headers = {})
    response = get(path, headers)
    unless response.code == "200"
      raise Minitest::Assertion, "GET #{path}: #{response.code} #{response.body}"
    end

    JSON.parse(response.body)
  end

  # The pid of the process that answered.
  def pid(path = "/pid")
    response = get(path)
    unless response.code == "200"
      raise Minitest::Assertion, "GET #{path}: #{response.code} #{response.body}"
    end

    Integer(response.body)
  end

  private

  # Without encodings that Net::HTTP would remove. The constructor of Ruby 3.3 refuses values of
  # more than 64 KiB; the assignment takes them.
  def request_for(kind, path, headers)
    request = kind.new(path, { "Host" => @host, "Accept-Encoding" => "identity" })
    headers.each { |name, value| request[name] = value }
    request
  end

  def connect
    connection = Net::HTTP.new(@address, @port, nil)
    connection.open_timeout = connection.read_timeout = connection.write_timeout = @timeout
    connection.max_retries = 0
    if @tls
      connection.use_ssl = true
      connection.verify_mode = OpenSSL::SSL::VERIFY_NONE
    end
    connection.start
  end

  def perform(request)
    connection = connect
    connection.request(request)
  ensure
    connection&.finish if connection&.started?
  end

  # Keeps its connections for further requests, each for one at a time.
  class Keeping < HttpClient
    def initialize(...)
      super
      @idle = Queue.new
    end

    def close
      @idle.pop.finish until @idle.empty?
    end

    private

    def perform(request)
      connection = take || connect
      connection.request(request).tap { @idle << connection }
    rescue StandardError
      connection&.finish if connection&.started?
      raise
    end

    def take
      @idle.pop(true)
    rescue ThreadError
      # All are in use.
      nil
    end
  end
end
