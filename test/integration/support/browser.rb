# frozen_string_literal: true

require "base64"
require "io/nonblock"
require "io/wait"
require "json"
require "tmpdir"

require_relative "eventually"

# Chromium without a window, for one page. It is driven by its debugging protocol over two pipes, so
# it listens on no port.
class Browser
  PROGRAM = %w[chromium chromium-browser google-chrome].find do |name|
    system("command -v #{name} >/dev/null 2>&1")
  end
  ARGUMENTS = %w[--headless --no-sandbox --disable-gpu --disable-quic --disable-dev-shm-usage
                 --no-first-run --disable-background-networking --disable-component-update
                 --disable-sync --disable-extensions --no-proxy-server --remote-debugging-pipe
                 about:blank].freeze
  # Seconds for one command. Chromium's first one waits for its start.
  PATIENCE = 60

  # Yields a browser whose page has this width. `hosts`: names that are 127.0.0.1.
  def self.open(width:, hosts: [])
    Dir.mktmpdir("passenger-browser.") do |folder|
      browser = new(folder, hosts)
      begin
        browser.attach
        browser.resize(width)
        yield browser
      ensure
        browser.close
      end
    end
  end

  # Script errors and console errors of the page, and what it could not load.
  attr_reader :errors

  def initialize(folder, hosts)
    @errors = []
    @number = 0
    theirs, @commands = IO.pipe
    @messages, out = IO.pipe
    # Chromium takes "nothing to read" for the end.
    [theirs, out].each { |pipe| pipe.nonblock = false }
    rules = hosts.map { |host| "MAP #{host} 127.0.0.1" }.join(",")
    # A group of its own: chromium starts further processes.
    @pid = spawn({ "HOME" => folder, "TMPDIR" => folder }, PROGRAM,
                 "--user-data-dir=#{folder}/profile", "--host-resolver-rules=#{rules}", *ARGUMENTS,
                 3 => theirs, 4 => out, %i[out err] => File.join(folder, "output"), pgroup: true)
    [theirs, out].each(&:close)
    @buffer = String.new
  end

  # To a page of its own.
  def attach
    target = call("Target.createTarget", url: "about:blank").fetch("targetId")
    @session = call("Target.attachToTarget", targetId: target, flatten: true).fetch("sessionId")
    %w[Page Runtime Log].each { |domain| call("#{domain}.enable") }
  end

  def resize(width)
    call("Emulation.setDeviceMetricsOverride", width: width, height: 900, deviceScaleFactor: 1,
                                               mobile: width < 600)
  end

  def visit(url)
    failure = call("Page.navigate", url: url)["errorText"]
    raise "#{url}: #{failure}" if failure

    wait_until("document.readyState === 'complete' && location.href !== 'about:blank'")
  end

  # The value of a JavaScript expression.
  def value(expression)
    answer = call("Runtime.evaluate", expression: expression, returnByValue: true,
                                      awaitPromise: true)
    raise answer["exceptionDetails"].to_s if answer["exceptionDetails"]

    answer.fetch("result")["value"]
  end

  def wait_until(expression, within: 60)
    Eventually.eventually(expression, within: within, every: 0.2) { value(expression) }
  end

  # Writes the whole page to a PNG file.
  def shoot(path)
    png = call("Page.captureScreenshot", captureBeyondViewport: true).fetch("data")
    File.binwrite(path, Base64.decode64(png))
  end

  # Chromium waits for the end of its processes. What is left of them is killed.
  def close
    @session = nil
    call("Browser.close")
    @messages.read if @messages.wait_readable(PATIENCE)
  rescue SystemCallError, IOError, RuntimeError
    nil
  ensure
    kill
    Process.wait(@pid)
    [@commands, @messages].each(&:close)
  end

  private

  def kill
    Process.kill(:KILL, -@pid)
  rescue Errno::ESRCH
    nil
  end

  def call(method, **parameters)
    @number += 1
    message = { id: @number, method: method, params: parameters }
    message[:sessionId] = @session if @session
    @commands.write("#{JSON.generate(message)}\0")
    deadline = Eventually.monotonic + PATIENCE
    loop do
      answer = read(deadline, method)
      note(answer)
      next if answer["id"] != @number
      raise "#{method}: #{answer['error']}" if answer["error"]

      return answer["result"]
    end
  end

  def read(deadline, method)
    until (message = @buffer.slice!(/\A[^\0]*\0/))
      left = deadline - Eventually.monotonic
      unless left.positive? && @messages.wait_readable(left)
        raise "#{method}: chromium does not answer"
      end

      @buffer << @messages.readpartial(65_536)
    end
    JSON.parse(message.chomp("\0"))
  end

  def note(message)
    params = message["params"]
    case message["method"]
    when "Runtime.exceptionThrown"
      @errors << params["exceptionDetails"].to_s
    when "Runtime.consoleAPICalled"
      @errors << params["args"].to_s if params["type"] == "error"
    when "Log.entryAdded"
      entry = params["entry"]
      @errors << entry.values_at("text", "url").join(" ") if entry["level"] == "error"
    end
  end
end
