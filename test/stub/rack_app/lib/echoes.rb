# frozen_string_literal: true

require "digest"

# Pages that return the received data. Included in BareApp.
module Echoes
  PIECE = 64 * 1024

  def hello(_request)
    text(200, "hello world\n")
  end

  def pid(_request)
    text(200, Process.pid.to_s)
  end

  # The process: for tests about users, pools and spawn methods.
  def process(_request)
    json({
      pid: Process.pid, ppid: Process.ppid, uid: Process.uid, gid: Process.gid,
      groups: Process.groups,
      ruby: RUBY_VERSION, directory: Dir.pwd, arguments: ARGV, environment: ENV.to_h
    })
  end

  # The request's environment as it reached the application.
  def env(request)
    strings = request.env.select { |_, value| value.is_a?(String) }
    json(strings.transform_values { |value| value.dup.force_encoding(Encoding::UTF_8).scrub })
  end

  # Returns the nonce in head and body, so that an answer to another client is detected.
  def echo(request)
    nonce = request.env["HTTP_X_NONCE"].to_s
    size, digest = consume(request.input)
    text(200, "#{nonce} #{size} #{digest} #{Process.pid}\n",
         { "X-Nonce" => nonce, "X-Pid" => Process.pid.to_s })
  end

  # Size and digest of the body, read piece by piece. `?piece=` sets the size of a read;
  # `?finished=PATH` gets a line at the end.
  def upload(request)
    size, digest = consume(request.input, (request["piece"] || PIECE).to_i)
    File.write(request["finished"], "#{size}\n", mode: "a") if request["finished"]
    json({ size: size, sha256: digest, pid: Process.pid })
  end

  # Notes the start once the first piece has arrived, then reads on, like upload.
  def peek(request)
    first = request.input.read(10).to_s
    note_start(request)
    size, digest = consume(request.input, PIECE, first)
    json({ size: size, sha256: digest, pid: Process.pid })
  end

  # The body itself, as far as memory allows.
  def body(request)
    text(200, request.input.read.to_s)
  end

  # Cookies, repeated headers and size: `?bytes=` of header values in lines of 1 KB.
  def headers(request)
    headers = { "X-Multiple" => "one\ntwo\nthree", "Set-Cookie" => "a=1; path=/\nb=2; path=/" }
    (request["bytes"].to_i / 1_000).times { |number| headers["X-Filler-#{number}"] = "x" * 1_000 }
    headers["Connection"] = request["connection"] if request["connection"]
    text(200, "headers\n", headers)
  end

  def status(request)
    code = request.rest.to_i
    return [code, {}, []] if (code == 204 || code == 304 || code < 200) && request["body"] != "yes"

    text(code, "status #{code}\n")
  end

  def redirect(_request)
    text(302, "", { "Location" => "/hello" })
  end

  private

  def consume(input, piece = PIECE, first = "")
    digest = Digest::SHA256.new << first
    size = first.bytesize
    buffer = String.new(capacity: piece)
    while input.read(piece, buffer)
      digest << buffer
      size += buffer.bytesize
    end
    [size, digest.hexdigest]
  end
end
