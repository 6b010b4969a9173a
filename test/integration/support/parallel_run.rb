# frozen_string_literal: true

require "etc"
require "minitest"
require "tmpdir"
require_relative "time_limit"

# Runs files of tests, several at once, each in a process of its own. What such a process prints
# comes out when it ends, with its duration and the processor time of its processes, except daemons.
# The last line has the sums, in Minitest's form.
class ParallelRun
  COUNTS = /^(\d+) runs, (\d+) assertions, (\d+) failures, (\d+) errors, (\d+) skips$/.freeze
  NAMES = %w[runs assertions failures errors skips].freeze

  # Most tests wait more than they compute.
  JOBS = Integer(ENV.fetch("TEST_JOBS", 3 * Etc.nprocessors))

  # The tests in these files take the longest; they begin first.
  LONG = %w[documents attack_child_limits slow_clients machines memory_budget pool_adoption
            large_bodies stop attack_verbs reload attack_lies heartbeat slow_machine
            attack_hanging_files on_event reload_series prefork_life attack_hijack
            attack_folders].freeze

  # The tests in these files need a free processor, for themselves or for hundreds of clients at
  # once. They run last, one after the other.
  ALONE = %w[prefork_cpu_slots attack_shortage].freeze

  # With RUN_AGAIN=yes, as in CI, so many files with failures run a second time, alone, and the
  # second result counts. A busy machine fails a test now and then; most defects fail it twice,
  # or fail more files. What failed at first is shown in any case.
  AGAIN = ENV["RUN_AGAIN"] == "yes" ? 8 : 0

  # What Minitest says of one failed test, with a number or without it.
  FAILURE = /^(?: *\d+\) )?((?:Failure|Error):\n.+?)(?=\n\n|\z)/m.freeze
  # More of one failure, or of all, would hide the others where only the end of a log is shown.
  FAILURE_LINES = 5
  FAILURES = 10

  # No file of tests needs so long. A process that has not ended is told to end (SIGTERM: background
  # processes of bash ignore SIGINT), and killed after the grace. A single test has a limit of its
  # own.
  LIMIT_SECONDS = Integer(ENV.fetch("TEST_FILE_LIMIT_SECONDS",
                                    ENV.key?("PASSENGER_TEST_SANITIZED") ? 3600 : 2400))
  GRACE_SECONDS = 60

  # `told`: when the process was told to end because of its time limit, or nil.
  Job = Struct.new(:file, :output, :began, :told, keyword_init: true) do
    def name
      File.basename(file)
    end
  end

  # What a file's process has left: its counts, in the order of NAMES, the begin of what it says of
  # each failed test, and what is wrong besides.
  Result = Struct.new(:counts, :failures, :problem) do
    def passed?
      problem.nil? && counts[2, 2] == [0, 0]
    end
  end

  # `arguments`: Minitest's.
  def initialize(files, arguments)
    @alone, @waiting = files.partition { |file| ALONE.include?(name_of(file)) }
    @waiting = @waiting.sort_by.with_index do |file, index|
      [LONG.index(name_of(file)) || LONG.size, index]
    end
    @arguments = arguments
    @jobs = {}
    @results = {}
  end

  # True if all tests passed.
  def run
    # Once, not in each process: Rails' plugin loads a part of Rails.
    Minitest.load_plugins
    run_files(@waiting, JOBS)
    run_files(@alone, 1)
    run_again(failed)
    counts = @results.values.map(&:counts).transpose.map(&:sum)
    puts "", failures_again, problems
    puts NAMES.zip(counts).map { |name, count| "#{count} #{name}" }.join(", ")
    failed.empty?
  rescue Interrupt
    # The processes have received the signal, too. They stop their servers.
    Process.waitall
    raise
  end

  private

  # The log has them far above, each beside the output of other tests of its file.
  def failures_again
    failures = failed.flat_map { |file| @results.fetch(file).failures }
    failures.first(FAILURES).flat_map { |failure| ["== Again: #{failure}", ""] }
  end

  def problems
    @results.select { |_, result| result.problem }
            .map { |file, result| "#{File.basename(file)}: #{result.problem}" }
  end

  # The files.
  def failed
    @results.reject { |_, result| result.passed? }.keys
  end

  def run_again(files)
    return if files.empty? || files.size > AGAIN

    names = files.map { |file| File.basename(file) }
    puts "", "== #{names.join(', ')} failed; what failed runs again, alone"
    first = problems
    run_files(files.dup, 1)
    puts first.map { |problem| "== At first: #{problem}" }
    (files - failed).each { |file| puts "== #{File.basename(file)} passed when it ran again" }
  end

  def name_of(file)
    File.basename(file, "_test.rb")
  end

  def run_files(files, jobs)
    until files.empty? && @jobs.empty?
      start(files.shift) while @jobs.size < jobs && !files.empty?
      before = processor_time
      pid, status = wait
      conclude(pid, status, processor_time - before)
    end
  end

  def wait
    loop do
      ended = Process.wait2(-1, Process::WNOHANG) and return ended
      end_overdue
      sleep 0.05
    end
  end

  def end_overdue
    @jobs.each do |pid, job|
      if job.told
        Process.kill(:KILL, pid) if now - job.told > GRACE_SECONDS
      elsif now - job.began > LIMIT_SECONDS
        puts "== #{job.name} has not ended in time (#{LIMIT_SECONDS} s), and is ended"
        job.told = now
        Process.kill(:TERM, pid)
      end
    end
  end

  def start(file)
    output = File.open(Dir.tmpdir, File::RDWR | File::TMPFILE)
    $stdout.flush
    pid = fork do
      [$stdout, $stderr].each { |stream| stream.reopen(output) }
      require file
      exit Minitest.run(@arguments)
    end
    @jobs[pid] = Job.new(file: file, output: output, began: now)
  end

  # Another process than a job may end, too: one that the tests' support has started.
  def conclude(pid, status, computed)
    job = @jobs.delete(pid) or return
    job.output.rewind
    text = job.output.read
    job.output.close
    puts "-- #{job.name}, #{(now - job.began).round} s, computed #{computed.round} s",
         text.sub(COUNTS) { |line| "#{line}." }
    @results[job.file] = result_of(text, status)
  end

  def result_of(text, status)
    counts = text.match(COUNTS)&.captures&.map(&:to_i)
    failures = text.scan(FAILURE).map { |said,| said.lines.first(FAILURE_LINES).join.chomp }
    return Result.new([0] * NAMES.size, failures, "no result (#{status})") unless counts

    Result.new(counts, failures, (status.to_s if !status.success? && counts[2, 2] == [0, 0]))
  end

  # Of children that have ended, and theirs.
  def processor_time
    Process.times.then { |times| times.cutime + times.cstime }
  end

  def now
    Process.clock_gettime(Process::CLOCK_MONOTONIC)
  end
end
