# frozen_string_literal: true

require_relative "account"
require_relative "boot_keeper"
require_relative "../wire/frame_socket"
require_relative "../base/limited_fork"
require_relative "../base/log"
require_relative "../base/monotonic_clock"
require_relative "login_shell"
require_relative "process_control"
require_relative "wait_statuses"

module PhusionPassenger
  # Starts preloaders and instances of one user for the agent, as its own user. The spawn server
  # loads no application and decides nothing. It ends when it has had no process for a while;
  # the agent starts another one when it is needed.
  class SpawnServer
    # The folder that the start named: in a build, the programs beside this file belong to the
    # build.
    LIBRARY = File.dirname(File.expand_path(__FILE__))
    CONTROL_DESCRIPTOR = 3
    # The programs of the roles, beside this file. A bridge is no script: its command is
    # passenger-agent, and its role is the subcommand.
    PROGRAMS = {
      "preloader" => "preloader.rb", "instance" => "instance.rb",
      "python_preloader" => "../python/preloader.py",
      "python_instance" => "../python/instance.py", "bridge" => nil
    }.freeze
    # Applications do not depend on httpd's umask.
    UMASK = 0o022
    # The seconds without a process after which the spawn server ends.
    IDLE_TIME = 300
    # The seconds after which a new process counts as started that has neither executed its program
    # nor failed: the file system of its folder or of that program does not answer, or slowly. The
    # user's other starts wait so long.
    EXEC_PATIENCE = 1

    # A failed start: the failed step, the reason, and the earlier steps with their milliseconds.
    class StartFailed < StandardError
      attr_reader :step, :done

      def initialize(step, text, done = [])
        super(text)
        @step = step
        @done = done
      end
    end

    # `user`: the name of this process's user. `idle_time`: for tests.
    def self.main(user = nil, idle_time = IDLE_TIME)
      new(FrameSocket.for_fd(CONTROL_DESCRIPTOR), Account.new(user), Integer(idle_time)).run
    end

    def initialize(control, account, idle_time)
      @control = control
      @account = account
      @idle_time = idle_time
      @wait_statuses = WaitStatuses.new
      @booting = {}
      # During a start: the statuses of children that ended before they were entered; else nil.
      @early = nil
      # The first and the last step of the current start.
      @forked = @executed = nil
    end

    # Runs until the agent closes the socket. The spawn server ignores a terminal's SIGINT: the
    # agent acts on it.
    def run
      unless ProcessControl.become_subreaper
        Log.event("spawn_server.no_subreaper", reason: "this Ruby has no Fiddle")
      end
      ProcessControl.end_memory_protection
      trap("CHLD") { reap }
      trap("INT") { nil }
      @control.write(Frame::Spawn::HELLO, Frame::VERSION, Process.pid, RUBY_VERSION)
      while (frame = next_frame)
        answer(frame)
      end
    rescue Errno::EPIPE, Errno::ECONNRESET
      nil
    rescue ProtocolError => e
      Log.event("control.broken", reason: e.message)
      exit(1)
    end

    private

    # Returns nil at the end of the socket, and if no frame comes for a while and there is no
    # process.
    def next_frame
      until IO.select([@control.io], nil, nil, @idle_time)
        next if reap

        @control.write(Frame::Spawn::IDLE)
        return
      end
      @control.read
    end

    # Waits for any child. The children are the processes it started and, as it is a subreaper,
    # orphans of their descendants. Returns whether there are more children.
    def reap
      while (pid, status = Process.wait2(-1, Process::WNOHANG))
        entered = @booting.key?(pid) || @wait_statuses.expected?(pid)
        entered || !@early ? ended(pid, status) : @early << [pid, status]
      end
      true
    rescue Errno::ECHILD
      false
    end

    def ended(pid, status)
      @wait_statuses.tell(pid, status)
      kept = @booting.delete(pid)
      @wait_statuses.tell(kept, nil) if status.exitstatus == BootKeeper::ENDED
    end

    def answer(frame)
      if frame.type != Frame::Spawn::START
        raise StartFailed.new("spawn server asked", "frame #{frame.type} is unknown")
      end

      count = [frame.descriptors.size, 4].max
      @control.write(Frame::Spawn::STARTED, *start(frame, *frame.take_descriptors([count, 5].min)))
    rescue StartFailed => e
      @control.write(Frame::Spawn::FAILED, e.step, e.message, *e.done)
    ensure
      frame.close_descriptors
    end

    # Returns the pid of the process and of its keeper, "1" if a login shell starts it, and the
    # steps with their milliseconds.
    def start(frame, control, output, wait_status, boot, gate = nil)
      role, command, profile = (0..2).map { |index| frame.text(index) }
      unless PROGRAMS.key?(role)
        raise StartFailed.new("spawn server asked", "there is no role #{role.inspect}")
      end

      @forked = "#{role.end_with?('preloader') ? 'preloader' : 'process'} forked"
      @executed = "#{role.start_with?('python') ? 'Python' : 'Ruby'} started"
      shell = LoginShell.new(@account.shell)
      shell = nil unless profile == "1" && shell.usable?
      reader, writer = pipe = IO.pipe(binmode: true)
      @step_begun = MonotonicClock.now(:millisecond)
      @early = []
      keeper = fork_keeper(BootKeeper.new(boot, wait_status), control, output, pipe, gate) do
        become(shell, [command, argument_for(role)], frame.map(3), control, output)
      end
      writer.close
      pid, *steps = understand(told_by(reader))
      # In this order: the keeper's end looks for the pipe.
      @wait_statuses.expect(pid, wait_status.dup)
      @booting[keeper] = pid
      [pid, keeper, shell ? "1" : "0", *steps]
    rescue SystemCallError => e
      raise StartFailed.new(@forked, e.message)
    ensure
      pipe&.each(&:close)
      early, @early = @early, nil
      early&.each { |child, status| ended(child, status) }
    end

    # Forks the keeper, which forks the process. `pipe` gets the pid of the process and the block's
    # failure.
    def fork_keeper(keeper, control, output, pipe, gate, &block)
      LimitedFork.call do
        @control.close
        reader, writer = pipe
        reader.close
        @wait_statuses.forget
        keeper.start do
          wait_at(gate) if gate
          tell(writer, output, &block)
        end
        [control, output, writer, gate].each { |io| io&.close }
        keeper.watch
      rescue SystemCallError => e
        writer.write("\0#{@forked}\0#{e.message}")
      ensure
        exit!(1)
      end
    end

    # Runs in the new process, before it executes anything. The agent takes the process's pid from
    # the kernel, and answers with a limit of the user's processes and threads. Without an answer
    # it has given the start up.
    def wait_at(gate)
      socket = FrameSocket.new(gate)
      socket.write(Frame::Spawn::FORKED)
      go = socket.read
      exit!(1) unless go
      socket.close
      tasks = Integer(go.text(0))
      Process.setrlimit(Process::RLIMIT_NPROC, tasks) if tasks.positive?
    rescue SystemCallError, ProtocolError
      exit!(1)
    end

    # Runs in the new process. Writes its pid, each finished step and, after a zero byte, the
    # failure.
    def tell(writer, output)
      writer.write("#{Process.pid}\n")
      done(@forked, writer)
      yield
    rescue StandardError => e
      begin
        writer.write("\0#{@executed}\0#{e.message}")
      rescue Errno::EPIPE
        output.syswrite("#{e.message}\n") # the spawn server waits no more
      end
    ensure
      exit!(1)
    end

    def done(step, writer)
      began, @step_begun = @step_begun, MonotonicClock.now(:millisecond)
      writer.write("#{step}\t#{@step_begun - began}\n")
    rescue Errno::EPIPE
      nil # the spawn server waits no more
    end

    # What the process writes until it executes its program or has failed, or for EXEC_PATIENCE.
    def told_by(reader)
      told = String.new
      while IO.select([reader], nil, nil, told.empty? ? nil : EXEC_PATIENCE)
        told << reader.readpartial(4096)
      end
      told
    rescue EOFError
      told
    end

    # Divides the text of `writer` into the pid, steps and milliseconds.
    def understand(told)
      lines, step, why = told.split("\0", 3)
      pid, *steps = lines.to_s.lines(chomp: true)
      steps = steps.flat_map { |line| line.split("\t") }
      raise StartFailed.new(step, why, steps) if step
      raise StartFailed.new(@forked, "the process ended at once") unless pid

      [Integer(pid), *steps]
    end

    # Returns only by an exception.
    def become(shell, program, environment, control, output)
      close_on_exec_all
      folder = entered(environment.fetch("PWD", "/"))
      command = shell ? shell.command(folder, program) : [[program.first] * 2, *program.drop(1)]
      exec(@account.environment.merge(environment), *command,
           unsetenv_others: true, umask: UMASK, in: File::NULL, out: output, err: output,
           CONTROL_DESCRIPTOR => control)
    rescue SystemCallError => e
      raise e.class, "cannot start #{command.first.first.inspect}"
    end

    # Version managers look in the working directory for the version that they start, and
    # interpreters begin relative paths there. Returns "/" in place of a folder that cannot be
    # entered: the process itself reports that.
    def entered(folder)
      Dir.chdir(folder)
      folder
    rescue SystemCallError
      Dir.chdir("/")
      "/"
    end

    def argument_for(role)
      program = PROGRAMS.fetch(role)
      program ? File.expand_path(program, LIBRARY) : role
    end

    # Descriptors that this process has inherited must not reach an application.
    def close_on_exec_all
      Dir.children("/proc/self/fd").map(&:to_i).each do |number|
        IO.for_fd(number, autoclose: false).close_on_exec = true if number > 2
      rescue SystemCallError, ArgumentError
        next # the listing's own descriptor, or one that Ruby keeps for itself
      end
    end
  end
end

if __FILE__ == $PROGRAM_NAME
  $PROGRAM_NAME = "Passenger spawn server"
  PhusionPassenger::SpawnServer.main(*ARGV.first(2))
end
