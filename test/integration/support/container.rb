# frozen_string_literal: true

require "fileutils"
require "json"
require "open3"
require "tmpdir"

require_relative "container_example"
require_relative "disposable_machine"
require_relative "eventually"
require_relative "http_client"
require_relative "log_reader"
require_relative "network"
require_relative "process_info"

# A container with the example of doc/scale-out/container, as Kubernetes runs one: an ordinary user
# without any capability, a root file system that nobody can write to, processes and a network of
# its own, and pipes as stdout and stderr. Its files are this machine's with mod_passenger and the
# example; or those of an image that script/container has built (CONTAINER_ROOT). Needs root,
# overlayfs and unshare(1).
class Container
  ENTRY = File.join(__dir__, "container.sh")
  PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
  MODULE = "/usr/lib/apache2/modules/mod_passenger.so"

  # Those that run.
  def self.running
    @running ||= []
  end

  # Why there can be none here, or nil.
  def self.obstacle
    return if image

    DisposableMachine.obstacle ||
      ("needs Debian's httpd" unless File.directory?(File.dirname(MODULE)))
  end

  # The root file system of a built image.
  def self.image
    TestEnvironment.given("CONTAINER_ROOT")
  end

  # The host's pid of the container's first process.
  attr_reader :pid

  # `app`: the folder of another application than the example's.
  def initialize(app: nil)
    @folder = Dir.mktmpdir("container-", TestEnvironment::WORK_DIR)
    FileUtils.mkdir_p(volume)
    FileUtils.chmod(0o777, volume)
    @out = File.join(@folder, "out")
    @err = File.join(@folder, "err")
    write_files(app)
    write_settings
  end

  # Changes a file of the example.
  def change(path)
    name = File.join(@folder, "files", path)
    text = File.read(File.exist?(name) ? name : File.join(self.class.image, path))
    FileUtils.mkdir_p(File.dirname(name))
    File.write(name, yield(text))
  end

  # `owner`: of the pipes that are stdout and stderr. Container runtimes give them to the user.
  def start(owner: user.first)
    self.class.running << self
    @status = nil
    out, err = [@out, @err].map { |path| collect(path, owner) }
    @outside = spawn("unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--fork",
                     "--kill-child", "bash", ENTRY, @folder, *lower, ContainerExample.user,
                     ContainerExample.place, *first_command, in: File::NULL, out: out, err: err)
    [out, err].each(&:close)
    @pid = Eventually.eventually("the first process") { first_process }
    self
  end

  def wait_until_ready
    Eventually.eventually("the container's start", within: 60) do
      raise "the container has ended:\n#{log}" if ended?

      listens? && get(ContainerExample.probe("readiness")).code == "200"
    end
    self
  end

  def get(path)
    client.get(path)
  end

  # Of this host, in the container's network. For one thread each.
  def client
    InNetwork.new(pid, HttpClient.new(ContainerExample.port, "localhost"))
  end

  # Runs a command in the container, as its user, as an `exec` of Kubernetes does. Returns what it
  # has printed, and its status.
  def run(*command)
    environment = settings.map { |name, value| "#{name}=#{value}" }
    Open3.capture2e("nsenter", "--target", pid.to_s, "--mount", "--net", "--pid", "--ipc", "--uts",
                    "--root", "--wd", "env", "-i", *environment, "setpriv",
                    "--reuid=#{user[0]}", "--regid=#{user[1]}", "--clear-groups",
                    "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", "--", *command)
           .then { |output, status| [output, status.exitstatus] }
  end

  def signal(name)
    Process.kill(name, pid)
  end

  # Waits for the end of the first process, and so of all others. Returns the exit status.
  def wait(within: Eventually::LIMIT)
    Eventually.eventually("the container's end", within: within) { ended? }
    @readers.each(&:join)
    @status.exitstatus
  end

  def ended?
    @status ||= Process.wait2(@outside, Process::WNOHANG)&.last
    !@status.nil?
  end

  # All processes of the container.
  def processes
    namespace = File.readlink("/proc/#{pid}/ns/pid")
    ProcessInfo.all.select do |process|
      File.readlink("/proc/#{process.pid}/ns/pid") == namespace
    rescue SystemCallError
      false
    end
  end

  # What came over stdout, and over stderr.
  def output
    LogReader.new(@out).text
  end

  def errors
    LogReader.new(@err).text
  end

  def log
    "--- stdout\n#{output}--- stderr\n#{errors}"
  end

  # The volume's folder on this host.
  def volume
    File.join(@folder, "changes")
  end

  # Files and folders in the volume.
  def changes
    Dir.glob("**/*", base: volume)
  end

  def destroy
    unless @outside.nil? || ended?
      Process.kill(:KILL, @outside)
      wait
    end
    self.class.running.delete(self)
    FileUtils.rm_rf(@folder)
  end

  # Sends requests from a thread in the network of a process.
  InNetwork = Struct.new(:pid, :client) do
    %i[get post].each do |verb|
      define_method(verb) do |*arguments|
        Network.of(pid) { client.public_send(verb, *arguments) }
      end
    end
  end

  private

  def user
    ContainerExample.user.split(":").map { |number| Integer(number) }
  end

  def first_command
    JSON.parse(ContainerExample.said("CMD").fetch(0))
  end

  # The folder with the root file system, and the one with what is to be installed there.
  def lower
    self.class.image ? [self.class.image, ""] : ["/", DisposableMachine.staged]
  end

  def write_files(app)
    files = File.join(@folder, "files")
    FileUtils.mkdir_p(files)
    unless self.class.image
      ContainerExample.copy_files(files)
      FileUtils.mkdir_p(File.join(files, File.dirname(MODULE)))
      FileUtils.ln_s("/usr/local/lib/apache2/modules/mod_passenger.so", File.join(files, MODULE))
    end
    return unless app

    FileUtils.mkdir_p(File.join(files, "srv/app"))
    FileUtils.cp_r("#{app}/.", File.join(files, "srv/app"))
    FileUtils.chown_R(0, 0, files)
  end

  def write_settings
    File.write(File.join(@folder, "environment"),
               settings.map { |name, value| "#{name}=#{value}\n" }.join)
    commands = self.class.image ? [] : ContainerExample.commands
    File.write(File.join(@folder, "prepare"), commands.map { |command| "#{command}\n" }.join)
  end

  # The environment that an image gives.
  def settings
    { "PATH" => PATH }.merge(ContainerExample.said("ENV").to_h { |line| line.split("=", 2) })
  end

  # The end of a pipe whose text goes into the file.
  def collect(path, owner)
    reader, writer = IO.pipe
    File.chown(owner, owner, "/proc/self/fd/#{writer.fileno}")
    (@readers ||= []) << Thread.new { IO.copy_stream(reader, path) }
    writer
  end

  def first_process
    File.read("/proc/#{@outside}/task/#{@outside}/children").split.first&.to_i
  end

  def listens?
    Network.of(pid) { TCPSocket.new("127.0.0.1", ContainerExample.port).close }
    true
  rescue SystemCallError
    false
  end
end

at_exit { Container.running.dup.each(&:destroy) }
