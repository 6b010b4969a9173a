# frozen_string_literal: true

require "fileutils"
require "net/http"
require_relative "environment"
require_relative "eventually"
require_relative "process_info"
require_relative "raw_client"
require_relative "sample_apps"

# A running passenger-prefork with an application of the test's own, on a free port of 127.0.0.1,
# and what it has logged.
class PreforkCommand
  PROGRAM = File.join(TestEnvironment::BUILD_DIR, "passenger-prefork")
  HELLO = <<~APP
    run lambda { |env|
      sleep env["QUERY_STRING"].to_f unless env["QUERY_STRING"].empty?
      [200, { "Content-Type" => "text/plain" }, ["\#{Process.pid}"]]
    }
  APP
  # Holds requests for /held until `go_on`.
  HOLDING = <<~APP
    run lambda { |env|
      File.write(File.join(__dir__, "held"), "") if env["PATH_INFO"] == "/held"
      sleep 0.02 until env["PATH_INFO"] != "/held" || File.exist?(File.join(__dir__, "go_on"))
      [200, {}, [Process.pid.to_s]]
    }
  APP
  # Loads until `go_on`.
  LOADING = "sleep 0.02 until File.exist?(File.join(__dir__, 'go_on'))\n#{HELLO}".freeze

  attr_reader :pid, :port, :folder

  def initialize(app = HELLO)
    @folder = SampleApps.new_folder
    write_app(app)
    @log = File.join(@folder, "log")
  end

  def write_app(text)
    File.write(File.join(@folder, "config.ru"), text)
  end

  # For HOLDING and LOADING.
  def go_on
    FileUtils.touch(gate)
  end

  # A request for /held is in the application.
  def held?
    File.exist?(File.join(@folder, "held"))
  end

  # What comes from now on is held again.
  def hold
    FileUtils.rm_f(gate)
  end

  # Does not wait.
  def spawn(*arguments, **options)
    spawn_by([], *arguments, **options)
  end

  # By a command that becomes the program. Other options of `Process.spawn` may follow.
  def spawn_by(before, *arguments, listen: ["--listen", "127.0.0.1:0"], in_folder: @folder,
               **options)
    environment = { "PASSENGER_ROOT" => TestEnvironment::PASSENGER_ROOT, "RACK_ENV" => nil,
                    "RAILS_ENV" => nil }
    @status = nil
    @pid = Process.spawn(environment, *before, PROGRAM, *listen, *arguments, in_folder,
                         out: [@log, "a"], err: [@log, "a"], **options)
    self
  end

  def start(*arguments, **options)
    spawn(*arguments, **options)
    wait_for_log(/event=prefork\.ready/)
    take_port
  end

  # That of the log.
  def take_port
    @port = log[/address=http:\S+:(\d+) /, 1].to_i
    self
  end

  # A question mark for each byte that is no text.
  def log
    File.exist?(@log) ? File.read(@log).scrub("?") : ""
  end

  # The block, where there is one, is called meanwhile.
  def wait_for_log(pattern, within: 60)
    Eventually.eventually("#{pattern.inspect} in the log", within: within) do
      log =~ pattern || (ended? && raise(log)) || (block_given? && yield && nil)
    end
    log[pattern]
  end

  def signal(name, pid = @pid)
    Process.kill(name, pid)
  end

  # A process that has the monitor's place, after USR2.
  def succeed(pid)
    @predecessor = @pid
    @pid = pid
    @status = nil
  end

  def get(path = "/")
    Net::HTTP.start("127.0.0.1", @port, open_timeout: 60, read_timeout: 60) do |http|
      http.get(path)
    end
  end

  def raw
    RawClient.new(@port, "prefork.test", timeout: 60)
  end

  # Of those that have ended none is left.
  def workers
    ProcessInfo.all.select { |process| process.ppid == @pid && process.state != "Z" }.map(&:pid)
  end

  # The last status: a Hash of numbers.
  def status
    before = log.bytesize
    signal(:USR1)
    Eventually.eventually("the status", within: 60) do
      log.byteslice(before..)[/event=prefork\.status (workers=.*)$/, 1]
    end
              .scan(/(\w+)=(\d+)/).to_h.transform_values(&:to_i)
  end

  # The exit status, once it has ended by itself.
  def wait
    Eventually.eventually("the end of passenger-prefork", within: 60) { ended? }
    @status.exitstatus
  end

  def ended?
    @status ||= Process.wait2(@pid, Process::WNOHANG)&.last
  rescue Errno::ECHILD # a successor is not our child
    !(process = ProcessInfo.read(@pid)) || !process.alive?
  end

  # Ends what is left, and returns what would not.
  def stop
    started = everything
    signal(:TERM) unless ended?
    left = started
    Eventually.eventually("the end of all processes", within: 60) do
      ended? && (left = started.select(&:alive?)).empty?
    end
    []
  rescue Eventually::TooLate
    left.each { |process| Process.kill(:KILL, process.pid) if process.alive? }
      .map { |process| "process #{process.pid}" }
  ensure
    [@pid, @predecessor].compact.each { |pid| reap(pid) }
    FileUtils.rm_rf(@folder)
  end

  private

  def gate
    File.join(@folder, "go_on")
  end

  # The monitor and all below it.
  def everything
    all = ProcessInfo.all
    found = all.select { |process| [@pid, @predecessor].include?(process.pid) }
    found.each { |process| found.concat(all.select { |other| other.ppid == process.pid } - found) }
  end

  def reap(pid)
    Process.wait(pid)
  rescue Errno::ECHILD
    nil
  end
end
