# frozen_string_literal: true

require "fiddle"
require "io/wait"
require "rbconfig"
require "socket"

# A FUSE file system with one file, whose closes and reads wait for ever: the program behind it
# answers no FLUSH, no RELEASE, no READ and no question about the file system. Nor can a process
# enter its folder. It is mounted in a namespace of its own; who connects to `path` gets the file,
# opened anew. All that waits goes on when the program ends. Needs root and /dev/fuse.
class HangingFiles
  DEVICE = "/dev/fuse"
  # Seconds. The program ends by itself then.
  LONGEST = 300

  attr_reader :path

  # Why there can be none, or nil.
  def self.missing
    return "needs root" unless Process.uid.zero?

    "the kernel has no FUSE (#{DEVICE})" unless File.chardev?(DEVICE)
  end

  # `folder` is for the socket and the mount.
  def initialize(folder)
    @path = File.join(folder, "files")
    @mount = File.join(folder, "mount")
    Dir.mkdir(@mount)
    @said, writer = IO.pipe
    @pid = spawn("unshare", "--mount", "--propagation", "private", RbConfig.ruby, __FILE__, @mount,
                 @path, out: writer)
    writer.close
    said = @said.wait_readable(30) && @said.gets
    return if said == "ready\n"

    finish
    raise "no FUSE file system: #{said.inspect}"
  end

  # The mounted folder, for root's processes.
  def folder
    "/proc/#{@pid}/root#{@mount}"
  end

  # Returns when both of its processes have ended.
  def finish
    return if @said.closed?

    Process.kill(:KILL, @pid)
    Process.wait(@pid)
    @said.read
    @said.close
  end

  # linux/fuse.h. The program of the file system.
  class Program
    IN_HEADER = 40
    OUT_HEADER = 16
    LOOKUP = 1
    FORGET = 2
    GETATTR = 3
    OPEN = 14
    READ = 15
    STATFS = 17
    RELEASE = 18
    FLUSH = 25
    INIT = 26
    ACCESS = 34
    INTERRUPT = 36
    BATCH_FORGET = 42
    SILENT = [FORGET, READ, STATFS, RELEASE, FLUSH, ACCESS, INTERRUPT, BATCH_FORGET].freeze
    ROOT = 1
    FILE = 2
    SIZE = 1_000_000
    FLAGS_OF_MOUNT = 6 # MS_NOSUID, MS_NODEV

    def initialize(mount, path)
      @mount = mount
      @path = path
    end

    def run
      mounted, tell = IO.pipe
      parent = Process.pid
      fork do
        tell.close
        hand_out(parent) if mounted.read == "yes"
        exit!
      end
      @device = File.open(DEVICE, "r+b")
      mount
      tell.write("yes")
      [mounted, tell].each(&:close)
      Thread.new { end_with(Process.ppid) }
      loop { serve(@device.sysread(1 << 18)) }
    end

    private

    def mount
      call = Fiddle::Function.new(Fiddle::Handle::DEFAULT["mount"],
                                  [Fiddle::TYPE_VOIDP] * 3 + [Fiddle::TYPE_LONG,
                                                              Fiddle::TYPE_VOIDP], Fiddle::TYPE_INT)
      options = "fd=#{@device.fileno},rootmode=40000,user_id=0,group_id=0,allow_other"
      return if call.call("hanging", @mount, "fuse", FLAGS_OF_MOUNT, options).zero?

      raise SystemCallError.new("mount", Fiddle.last_error)
    end

    def end_with(parent)
      LONGEST.times { Process.ppid == parent ? sleep(1) : break }
      exit!
    end

    # It keeps its own copies: their close would wait, too.
    def hand_out(parent)
      server = UNIXServer.new(@path)
      File.chmod(0o666, @path)
      $stdout.syswrite("ready\n")
      kept = []
      while Process.ppid == parent
        next unless server.wait_readable(0.2)

        client = server.accept
        kept << File.open(File.join(@mount, "file"))
        client.send_io(kept.last)
        client.close
      end
    end

    def serve(request)
      _, opcode, unique, node = request.unpack("LLQQ")
      return if SILENT.include?(opcode)

      error, body = answer(opcode, node)
      body ||= ""
      @device.syswrite([OUT_HEADER + body.bytesize, -error, unique].pack("LlQ") + body)
    end

    def answer(opcode, node)
      case opcode
      # Version 7.31, and the smallest allowed write.
      when INIT then [0, [7, 31, 65_536, 0, 0, 4096, 0].pack("LLLLLLL").ljust(64, "\0")]
      when LOOKUP then [0, [FILE, 0, 60, 60, 0, 0].pack("QQQQLL") + attributes(FILE)]
      when GETATTR then [0, [60, 0, 0].pack("QLL") + attributes(node)]
      when OPEN then [0, [1, 0, 0].pack("QLL")]
      else [Errno::ENOSYS::Errno, nil]
      end
    end

    def attributes(node)
      mode = node == ROOT ? 0o40755 : 0o100644
      [node, SIZE, 0, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0].pack("QQQQQQLLLLLLLLLL")
    end
  end
end

HangingFiles::Program.new(*ARGV).run if __FILE__ == $PROGRAM_NAME
