# frozen_string_literal: true

# The system calls that processes make once they have a filter, as strace sees them: those below
# a process that start while it is followed.
class SystemCallTrace
  # One call: who made it (a word of the command line), its name, arguments and result, as text.
  Call = Struct.new(:who, :name, :arguments, :result)
  LINE = /\A(\d+) +(?:<\.\.\. (\w+) resumed>|(\w+)\()(.*)\n?\z/.freeze
  END_OF_THREAD = /\A(\d+) +\+\+\+ (?:exited|killed) /.freeze
  # The words by which a process of the agent is known.
  ROLES = /"(pool|rights|bridge|--limits)"/.freeze

  def self.missing
    "strace is not installed" unless system("strace", "-V", out: File::NULL, err: File::NULL)
  end

  # Follows `pid` from now on. `without`: names of calls that are left out, if strace knows them.
  def initialize(pid, file, without: [])
    @file = file
    @reader, writer = IO.pipe
    filter = without.empty? ? [] : ["-e", "trace=!#{without.map { |name| "?#{name}" }.join(',')}"]
    @strace = spawn("strace", "-f", *filter, "-o", file, "-s", "64", "-p", pid.to_s, err: writer)
    writer.close
    said = @reader.wait_readable(60) && @reader.gets
    raise "strace: #{said.inspect}" unless said&.include?("attached")
  end

  # Those that it follows go on.
  def finish
    Process.kill(:INT, @strace)
    Process.wait(@strace)
    @reader.close
  rescue Errno::ESRCH, Errno::ECHILD
    nil
  end

  # All calls of processes with a filter so far.
  def calls
    @roles = {}
    @limited = {}
    @unfinished = {}
    File.foreach(@file, encoding: Encoding::BINARY).filter_map { |line| call_in(line) }
  end

  # The calls after which the kernel killed the process.
  def killed
    File.foreach(@file, encoding: Encoding::BINARY).grep(/killed by SIGSYS/)
  end

  private

  # Nil: no call, or one of a process without a filter.
  def call_in(line)
    return forget(line[END_OF_THREAD, 1]) if line.match?(END_OF_THREAD)

    thread, resumed, name, rest = LINE.match(line)&.captures
    return unless thread
    return keep(thread, rest) if rest.end_with?(" <unfinished ...>")

    text = resumed ? "#{@unfinished.delete(thread)}#{rest}" : rest
    arguments, _, result = text.rpartition(" = ")
    note(thread, resumed || name, arguments, result)
  end

  # Another process may get its number.
  def forget(thread)
    [@roles, @limited, @unfinished].each { |all| all.delete(thread) }
    nil
  end

  def keep(thread, text)
    @unfinished[thread] = text.delete_suffix(" <unfinished ...>")
    nil
  end

  def note(thread, name, arguments, result)
    limited = @limited[thread]
    case name
    when "execve" then @roles[thread] = arguments[ROLES, 1] || @roles[thread]
    when "seccomp" then @limited[thread] = true if arguments.start_with?("SECCOMP_SET_MODE_FILTER")
    when "clone", "clone3", "fork", "vfork" then inherit(thread, result)
    end
    Call.new(@roles[thread], name, arguments, result) if limited
  end

  # To the new process or thread. Its first calls may stand before.
  def inherit(thread, result)
    return unless result.match?(/\A\d+/)

    @roles[result[/\d+/]] ||= @roles[thread]
    @limited[result[/\d+/]] ||= @limited[thread]
  end
end
