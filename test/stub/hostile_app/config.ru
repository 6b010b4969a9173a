# frozen_string_literal: true

# An application of an attacker, who has no other rights than its user.
#
# /look?PATH    tries to look into each process of another user, to signal it, and asks the agent's
#               socket PATH about applications of others; says where it has succeeded
# /hog          allocates as much memory as it may have (RLIMIT_AS)
# /print        prints lines for some seconds
# /garbage      writes random bytes for some seconds into all memory that it shares with others
# /names        says which memory that is
# other         says its pid
#
# While the file `lie` in its folder has a pid, the process names that pid in place of its own, and
# of those of its children. It leaves a file with its user's number in the folder TRACES.

require "json"
require "socket"

File.write(File.join(ENV["TRACES"], Process.uid.to_s), "") if ENV["TRACES"]

# Names another pid in FORKED and HELLO.
module Lies
  FILE = File.expand_path("lie", __dir__)

  def write(type, *fields, **options)
    control = PhusionPassenger::Frame::Control
    if [control::FORKED, control::HELLO].include?(type) && File.size?(FILE)
      fields[0] = File.read(FILE).to_i
    end
    super
  end
end
PhusionPassenger::FrameSocket.prepend(Lies)

class Attacker
  SECONDS = 2
  ROOM = 256 << 20
  PIECE = 16 << 20
  # These have the same numbers for all processors.
  PIDFD_OPEN = 434
  PIDFD_GETFD = 438
  # What only a process's own user may read.
  PRIVATE = %w[environ maps mem smaps auxv stack io].freeze
  LINKS = %w[exe cwd root fd/0 fd/3 ns/net].freeze

  def call(env)
    [200, { "content-type" => "text/plain" }, [answer(env["PATH_INFO"], env["QUERY_STRING"])]]
  end

  private

  def answer(path, query)
    case path
    when "/look" then look(query).join("\n")
    when "/hog" then hog.to_s
    when "/print" then in_background { $stdout.write("#{"x" * 60}\n" * 1000) }
    when "/garbage" then in_background { garbage }
    when "/names" then names.join("\n")
    else Process.pid.to_s
    end
  end

  def in_background
    ending = now + SECONDS
    Thread.new { yield while now < ending }
    "begun"
  end

  def now
    Process.clock_gettime(Process::CLOCK_MONOTONIC)
  end

  def look(socket)
    foreign = Dir.children("/proc").grep(/\A\d+\z/).map(&:to_i).select { |pid| foreign?(pid) }
    raise "no other process" if foreign.empty?

    foreign.flat_map { |pid| looks_into(pid) } +
      foreign_applications(socket).map { |name| "status of #{name}" }
  end

  # Those that the agent tells of when it is asked for all.
  def foreign_applications(socket)
    UNIXSocket.open(socket) do |agent|
      fields = ["status", ""].map { |field| [field.bytesize, field].pack("Va*") }.join
      agent.write([fields.bytesize, 112, 0].pack("Vvv") + fields)
      answer = agent.recvmsg(scm_rights: true).last.unix_rights.first
      JSON.parse(answer.tap(&:rewind).read)["apps"]
    end.reject { |app| app["uid"] == Process.uid }.map { |app| app["name"] }
  end

  def foreign?(pid)
    File.stat("/proc/#{pid}").uid != Process.uid || !File.readable?("/proc/#{pid}/environ")
  rescue SystemCallError
    false
  end

  def looks_into(pid)
    PRIVATE.flat_map { |name| attempt("#{pid}/#{name}") { File.read("/proc/#{pid}/#{name}", 1) } } +
      LINKS.flat_map do |name|
        attempt("#{pid}/#{name}") { File.readlink("/proc/#{pid}/#{name}") }
      end +
      attempt("#{pid} fds") { Dir.children("/proc/#{pid}/fd") } +
      attempt("#{pid} kill") { Process.kill(0, pid) } +
      attempt("#{pid} getfd") { take_descriptor(pid) }
  end

  def take_descriptor(pid)
    pidfd = IO.for_fd(syscall(PIDFD_OPEN, pid, 0))
    syscall(PIDFD_GETFD, pidfd.fileno, 0, 0)
  end

  def attempt(what)
    yield.to_s.empty? ? [] : [what]
  rescue SystemCallError, IOError
    []
  end

  # Returns the number of bytes.
  def hog
    limits = Process.getrlimit(:AS)
    Process.setrlimit(:AS, File.read("/proc/self/statm").to_i * 4096 + ROOM, limits.last)
    pieces = []
    loop { pieces << ("x" * PIECE) }
  rescue NoMemoryError
    size = pieces.size * PIECE
    pieces.clear
    size
  ensure
    Process.setrlimit(:AS, *limits)
  end

  # The memory files that this process can write, by its own descriptor or by a new one.
  def shared
    Dir.children("/proc/self/fd").flat_map do |number|
      path = "/proc/self/fd/#{number}"
      next [] unless File.readlink(path).include?("memfd:passenger")

      [-> { File.for_fd(number.to_i, "r+b", autoclose: false) }, -> { File.open(path, "r+b") }]
        .filter_map { |way| opened(&way) }
    rescue Errno::ENOENT
      []
    end
  end

  def names
    shared.map { |file| File.readlink("/proc/self/fd/#{file.fileno}") }
  end

  def opened
    yield
  rescue SystemCallError
    nil
  end

  def garbage
    @shared ||= shared
    @shared.each do |file|
      bytes = Random.bytes(rand(1..200))
      file.pwrite(bytes, rand([file.size - bytes.bytesize, 1].max))
    rescue SystemCallError
      next
    end
    sleep 0.001
  end
end

run Attacker.new
