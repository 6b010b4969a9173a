# frozen_string_literal: true

# Pages about the time and form of a response's body. Included in BareApp.
module Bodies
  # `?bytes=N[&piece=N][&length=no][&pause=SECONDS]`: the first bytes of PatternStream.
  def download(request)
    bytes = request["bytes"].to_i
    headers = { "Content-Type" => "application/octet-stream", "Content-Length" => bytes.to_s }
    headers.delete("Content-Length") if request["length"] == "no"
    [200, headers, PatternStream.new(bytes, (request["piece"] || 65_536).to_i,
                                    request["pause"].to_f)]
  end

  # A body whose length is not known before its end. (An Array's length is known.)
  def no_length(_request)
    [200, { "Content-Type" => "text/plain" }, %w[one two three].each]
  end

  # An Array, without a Content-Length.
  def array(_request)
    [200, { "Content-Type" => "text/plain" }, %w[one two three]]
  end

  # `?fifo=PATH&pieces=N`: sends a piece for each line that a test writes into the FIFO.
  def stream(request)
    [200, { "Content-Type" => "text/plain" },
     GatedBody.new(Gate.new(request["fifo"]), (request["pieces"] || 3).to_i)]
  end

  # `?fifo=PATH[&started=PATH]`: answers once a test writes a line into the FIFO. `started` gets a
  # line with the pid for each run, before the wait.
  def wait(request)
    note_start(request)
    line = Gate.open(request["fifo"], &:pass)
    text(200, "#{line} #{Process.pid}\n")
  end

  def slow(request)
    note_start(request)
    sleep (request["seconds"] || 1).to_f
    text(200, "awake #{Process.pid}\n")
  end

  # A FIFO that several processes wait on: each takes one line and no byte of the next.
  class Gate
    def self.open(path)
      gate = new(path)
      yield gate
    ensure
      gate&.close
    end

    def initialize(path)
      @fifo = File.open(path, "r+")
    end

    def pass
      line = +""
      line << @fifo.sysread(1) until line.end_with?("\n")
      line.chomp
    end

    def close
      @fifo.close
    end
  end

  # Yields "piece N" whenever a line arrives.
  class GatedBody
    def initialize(gate, pieces)
      @gate = gate
      @pieces = pieces
    end

    def each
      @pieces.times do |number|
        @gate.pass
        yield "piece #{number}\n"
      end
    end

    def close
      @gate.close
    end
  end
end
