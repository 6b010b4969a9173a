# frozen_string_literal: true

# One process as /proc shows it. Two readings are the same process if pid and start time agree.
class ProcessInfo
  attr_reader :pid, :ppid, :state
  # When the process began, as `now` counts.
  attr_reader :started
  # Processor time in hundredths of a second.
  attr_reader :ticks

  # All processes that can be read now, without the kernel's threads: often a third of all.
  def self.all
    threads = kernel_threads
    (Dir.children("/proc").grep(/\A\d+\z/).map(&:to_i) - threads).filter_map { |pid| read(pid) }
  end

  # In a container process 2 is another one.
  def self.kernel_threads
    return [] unless File.read("/proc/2/comm") == "kthreadd\n"

    File.read("/proc/2/task/2/children").split.map(&:to_i)
  rescue SystemCallError
    []
  end
  private_class_method :kernel_threads

  def self.read(pid)
    new(pid)
  rescue SystemCallError
    nil
  end

  # The time since the machine's start, in hundredths of a second like all times in /proc/PID/stat.
  def self.now
    (Process.clock_gettime(Process::CLOCK_BOOTTIME) * 100).floor
  end

  # Sends SIGSTOP and waits for the stop. kill(2) returns earlier: other threads run until the
  # thread that received the signal has handled it.
  def self.stop(pid)
    Process.kill(:STOP, pid)
    1_000.times do
      return if Dir.glob("/proc/#{pid}/task/*/stat").all? { |file| stopped?(file) }

      sleep 0.01
    end
    raise "#{pid} did not stop"
  end

  # Sets a soft limit, such as "fsize", of another process. Only the process's user may do so
  # everywhere.
  def self.limit(pid, name, value)
    ids = File.read("/proc/#{pid}/status").scan(/^[UG]id:\s+(\d+)/).flatten
    switch = ["setpriv", "--reuid=#{ids[0]}", "--regid=#{ids[1]}", "--clear-groups"]
    command = ["prlimit", "--pid", pid.to_s, "--#{name}=#{value}:"]
    system(*(Process.uid.zero? ? switch : []), *command, exception: true)
  end

  # True also if the thread has ended.
  def self.stopped?(file)
    File.read(file).rpartition(")").last.split.first == "T"
  rescue SystemCallError
    true
  end
  private_class_method :stopped?

  def initialize(pid)
    @pid = pid
    text = File.read("/proc/#{pid}/stat")
    # The name, in parentheses, may contain spaces and parentheses. The rest has 50 fields.
    fields = text[(text.rindex(")") + 2)..].split(" ", 21)
    @state = fields[0]
    @ppid = fields[1].to_i
    @ticks = fields[11].to_i + fields[12].to_i
    @threads = fields[17].to_i
    @started = fields[19].to_i
  end

  def identity
    [pid, started]
  end

  def alive?
    now = self.class.read(pid)
    !now.nil? && now.started == started && !now.ended?
  end

  # A killed process is a zombie as soon as its first thread has ended. The other threads keep its
  # descriptors until they have ended, too: a listening socket takes connections meanwhile.
  def ended?
    %w[Z X].include?(state) && @threads <= 1
  end

  # Without the loader by which script/sanitize starts httpd.
  def command_line
    @command_line ||= slurp("cmdline").split("\0").join(" ").strip.sub(/\A\S+ --preload \S+ /, "")
  end

  def environment
    @environment ||= slurp("environ").split("\0")
  end

  # Maps each number to its target, like "socket:[4711]".
  def descriptors
    Dir.children("/proc/#{pid}/fd").each_with_object({}) do |number, found|
      found[number.to_i] = File.readlink("/proc/#{pid}/fd/#{number}")
    rescue SystemCallError
      next
    end
  rescue SystemCallError
    {}
  end

  # Maps device and inode of the memory files that the process holds to their names.
  def memory_files
    descriptors.each_with_object({}) do |(number, target), found|
      next unless target.start_with?("/memfd:", "memfd:")

      stat = File.stat("/proc/#{pid}/fd/#{number}")
      found[[stat.dev, stat.ino]] = target
    rescue SystemCallError
      next
    end
  end

  def directory
    File.readlink("/proc/#{pid}/cwd")
  rescue SystemCallError
    ""
  end

  # Paths in /proc/PID/maps.
  def mapped_files
    slurp("maps").lines.map { |line| line.split(" ", 6)[5].to_s.chomp }.grep(%r{\A/}).uniq
  end

  # The process's private memory in bytes, or nil if it has ended. Program text and the page cache
  # do not count.
  def memory
    text = slurp("status")
    anonymous = text[/^RssAnon:\s+(\d+)/, 1] or return nil
    (anonymous.to_i + text[/^RssShmem:\s+(\d+)/, 1].to_i) * 1024
  end

  # The scheduling policies of its threads: see sched(7).
  def policies
    Dir.glob("/proc/#{pid}/task/*/stat").filter_map do |file|
      File.read(file).rpartition(")").last.split[38].to_i
    rescue SystemCallError
      nil # the thread has ended
    end.uniq
  end

  def uid
    slurp("status")[/^Uid:\s+(\d+)/, 1].to_i
  end

  def to_s
    "#{pid} (parent #{ppid}, #{state}): #{command_line[0, 100]}"
  end

  private

  def slurp(name)
    File.binread("/proc/#{pid}/#{name}")
  rescue SystemCallError
    ""
  end
end
