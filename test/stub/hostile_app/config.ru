# frozen_string_literal: true

# An application of an attacker, who has no other rights than its user.
#
# /look         tries to look into each process of another user, and to signal it; says where it has
#               succeeded
# /orders?PATH  sends the orders in the body to the agent's socket PATH, and says its answers
# /hog          allocates as much memory as it may have (RLIMIT_AS)
# /print        prints lines for some seconds
# /garbage      writes random bytes for some seconds into all memory that it shares with others
# /names        says which memory that is
# /tamper       tries for some seconds to seal, shorten, lengthen, empty and map the memory and the
#               files of bodies that it has from others; the file `tampered` in its folder then says
#               where it has succeeded
# other         says its pid
#
# It leaves a file with its user's number in the folder TRACES.

require "fiddle"
require "json"
require_relative "orders"

File.write(File.join(ENV["TRACES"], Process.uid.to_s), "") if ENV["TRACES"]

# What the holder of a descriptor can try to do to a file that others use.
module Tampering
  F_ADD_SEALS = 1033
  # Of sealing itself, shrinking, growing, writing, future writing, and executing.
  SEALS = [1, 2, 4, 8, 16, 32].freeze
  PUNCH_HOLE = 3
  READ_WRITE = 3
  MAP_SHARED = 1
  LONGER = 1 << 20
  LIBC = Fiddle.dlopen(nil)
  FALLOCATE = Fiddle::Function.new(LIBC["fallocate"], [Fiddle::TYPE_INT, Fiddle::TYPE_INT,
                                                       Fiddle::TYPE_LONG, Fiddle::TYPE_LONG],
                                   Fiddle::TYPE_INT)
  MMAP = Fiddle::Function.new(LIBC["mmap"], [Fiddle::TYPE_VOIDP, Fiddle::TYPE_LONG] +
                                            [Fiddle::TYPE_INT] * 3 + [Fiddle::TYPE_LONG],
                              Fiddle::TYPE_VOIDP)
  MUNMAP = Fiddle::Function.new(LIBC["munmap"], [Fiddle::TYPE_VOIDP, Fiddle::TYPE_LONG],
                                Fiddle::TYPE_INT)

  module_function

  # The names of the files, and what has succeeded, as "NAME WHAT".
  def all
    files.flat_map { |number, name| [name, *tamper(number).map { |what| "#{name} #{what}" }] }
  end

  # Names by descriptor.
  def files
    Dir.children("/proc/self/fd").each_with_object({}) do |number, found|
      target = File.readlink("/proc/self/fd/#{number}")
      memory = target[/memfd:(passenger-[a-z-]+)/, 1]
      found[number.to_i] = memory || "body" if memory || target.end_with?(" (deleted)")
    rescue Errno::ENOENT
      next
    end
  end

  def tamper(number)
    size = File.stat("/proc/self/fd/#{number}").size
    path = "/proc/self/fd/#{number}"
    own = IO.for_fd(number, autoclose: false)
    { "seal" => -> { SEALS.count { |seal| try { own.fcntl(F_ADD_SEALS, seal) } }.positive? },
      "truncate" => -> { File.truncate(path, 0) },
      "shorten" => -> { File.for_fd(number, autoclose: false).truncate(0) },
      "lengthen" => -> { File.for_fd(number, autoclose: false).truncate(size + LONGER) },
      "allocate" => -> { FALLOCATE.call(number, 0, 0, size + LONGER).zero? },
      "punch" => -> { FALLOCATE.call(number, PUNCH_HOLE, 0, size).zero? },
      "map" => -> { scribble(number, size) } }.filter_map { |what, way| what if try(&way) }
  end

  def try
    yield
  rescue SystemCallError, IOError
    false
  end

  def scribble(number, size)
    address = MMAP.call(nil, size, READ_WRITE, MAP_SHARED, number, 0)
    return false if address.to_i.negative? || address.to_i == (1 << 64) - 1

    address[0, size] = Random.bytes(size)
    MUNMAP.call(address, size)
    true
  end
end

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
    [200, { "content-type" => "text/plain" }, [answer(env["PATH_INFO"], env)]]
  end

  private

  def answer(path, env)
    case path
    when "/look" then look.join("\n")
    when "/orders" then orders(env["QUERY_STRING"], env["rack.input"].read)
    when "/hog" then hog.to_s
    when "/print" then in_background { $stdout.write("#{"x" * 60}\n" * 1000) }
    when "/garbage" then in_background { garbage }
    when "/tamper" then tamper
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

  def look
    foreign = Dir.children("/proc").grep(/\A\d+\z/).map(&:to_i).select { |pid| foreign?(pid) }
    raise "no other process" if foreign.empty?

    foreign.flat_map { |pid| looks_into(pid) }
  end

  def orders(socket, text)
    JSON.generate(Orders.new(socket).answers(JSON.parse(text)))
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

  # During a request, whose body may be in a file.
  def tamper
    done = []
    ending = now + SECONDS
    done |= Tampering.all while now < ending
    File.write(File.expand_path("tampered", __dir__), done.sort.join("\n"))
    "tampered"
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
