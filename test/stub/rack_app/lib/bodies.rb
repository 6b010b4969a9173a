# frozen_string_literal: true

# Pages about when and how a response's body comes. Included in BareApp.
module Bodies
  # `?bytes=N[&piece=N][&length=no]`: the first bytes of PatternStream.
  def download(request)
    bytes = request["bytes"].to_i
    headers = { "Content-Type" => "application/octet-stream", "Content-Length" => bytes.to_s }
    headers.delete("Content-Length") if request["length"] == "no"
    [200, headers, PatternStream.new(bytes, (request["piece"] || 65_536).to_i)]
  end

  # A body without a length, in several pieces.
  def no_length(_request)
    [200, { "Content-Type" => "text/plain" }, %w[one two three]]
  end

  # `?fifo=PATH&pieces=N`: sends a piece for each line that somebody writes into the FIFO, so a test decides when.
  def stream(request)
    fifo = File.open(request["fifo"], "r+")
    [200, { "Content-Type" => "text/plain" }, GatedBody.new(fifo, (request["pieces"] || 3).to_i)]
  end

  # `?fifo=PATH[&started=PATH]`: answers when somebody writes a line into the FIFO. `started` gets a line with the pid
  # for each time this ran, before the wait.
  def wait(request)
    note_start(request)
    line = File.open(request["fifo"], "r+", &:gets)
    text(200, "#{line.to_s.chomp} #{Process.pid}\n")
  end

  def slow(request)
    note_start(request)
    sleep (request["seconds"] || 1).to_f
    text(200, "awake #{Process.pid}\n")
  end

  # Yields "piece N" whenever a line arrives.
  class GatedBody
    def initialize(fifo, pieces)
      @fifo = fifo
      @pieces = pieces
    end

    def each
      @pieces.times do |number|
        @fifo.gets
        yield "piece #{number}\n"
      end
    end

    def close
      @fifo.close
    end
  end
end
