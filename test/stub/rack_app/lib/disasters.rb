# frozen_string_literal: true

# Pages that end badly. Included in BareApp.
module Disasters
  def raise(_request)
    Kernel.raise ArgumentError, "raised on purpose"
  end

  # Ends the process with its at_exit handlers.
  def exit(_request)
    Kernel.exit 3
  end

  # `?started=PATH` gets a line for each run. With `once=yes` only the first run kills itself.
  def kill(request)
    runs = File.exist?(request["started"].to_s) ? File.readlines(request["started"]).size : 0
    note_start(request)
    Process.kill(:KILL, Process.pid) if request["once"] != "yes" || runs.zero?
    text(200, "survived #{Process.pid}\n")
  end

  # Sends a part of the body, then dies: `?bytes=N`, with or without a length (`length=no`).
  def die_midway(request)
    headers = { "Content-Type" => "application/octet-stream" }
    headers["Content-Length"] = (request["bytes"].to_i * 2).to_s unless request["length"] == "no"
    headers["Connection"] = request["connection"] if request["connection"]
    [200, headers, DyingBody.new(request["bytes"].to_i) { Process.kill(:KILL, Process.pid) }]
  end

  # The same, but the application raises and the instance may continue.
  def raise_midway(request)
    [200, { "Content-Type" => "text/plain" },
     DyingBody.new(request["bytes"].to_i) { Kernel.raise IOError, "broken body" }]
  end

  # Reads a part of the request's body, then dies.
  def die_reading(request)
    note_start(request)
    request.input.read(1_000)
    Process.kill(:KILL, Process.pid)
    sleep
  end

  # Heads that no server should pass on: `?kind=`.
  def bad_head(request)
    case request["kind"]
    when "huge"
      text(200, "too much\n", (1..200).to_h { |number| ["X-Huge-#{number}", "x" * 1_000] })
    when "name" then text(200, "bad name\n", { "X Bad: Name" => "value" })
    when "colon" then text(200, "bad name\n", { "X-Bad:Name" => "value" })
    when "control" then text(200, "bad value\n", { "X-Bad" => "a\0b" })
    when "return" then text(200, "bad value\n", { "X-Bad" => "a\rX-Injected: yes" })
    when "status" then ["nonsense", { "Content-Type" => "text/plain" }, ["bad status\n"]]
    when "low" then [42, { "Content-Type" => "text/plain" }, ["bad status\n"]]
    when "high" then [12_345, { "Content-Type" => "text/plain" }, ["bad status\n"]]
    else 42
    end
  end

  # Declares its body as chunked; it is not.
  def bad_chunk(_request)
    [200, { "Content-Type" => "text/plain", "Transfer-Encoding" => "chunked" },
     ["zz\r\nhello\r\n0\r\n\r\n"]]
  end

  # Declares its body as chunked; it is.
  def own_chunks(_request)
    [200, { "Content-Type" => "text/plain", "Transfer-Encoding" => "chunked" },
     ["5\r\nhello\r\n", "0\r\n\r\n"]]
  end

  # Prints `?text=` on both outputs, and through rack.errors.
  def stderr(request)
    $stdout.puts "stdout says #{request['text']}"
    $stderr.puts "stderr says #{request['text']}"
    request.env["rack.errors"].puts "errors says #{request['text']}"
    text(200, "printed\n")
  end

  # Sends `bytes` bytes, then calls the block.
  class DyingBody
    def initialize(bytes, &disaster)
      @bytes = bytes
      @disaster = disaster
    end

    def each
      yield "x" * @bytes
      @disaster.call
    end
  end
end
