# frozen_string_literal: true

module Bench
  # Programs that put load on a server. The benchmark waits for their end, and they end with the
  # benchmark.
  module Programs
    # Runs the commands at the same time; returns the output of each. A command may begin with an
    # environment and end with options, as Process.spawn takes them.
    def self.run(*commands)
      running = []
      commands.each { |command| running << start(command) }
      running.map { |reader, pid| [reader.read, Process.wait(pid)].first }
    ensure
      running.each { |reader, pid| finish(reader, pid) }
    end

    def self.start(command)
      reader, writer = IO.pipe
      options = command.last.is_a?(Hash) ? command.last : {}
      words = command.map { |word| word.is_a?(Hash) ? word : word.to_s } - [options]
      pid = Process.spawn(*words, out: writer, err: writer, in: File::NULL, **options)
      [reader, pid]
    ensure
      writer&.close
    end

    # Kills the program if the benchmark was interrupted.
    def self.finish(reader, pid)
      reader.close
      return if Process.wait(pid, Process::WNOHANG)

      Process.kill('KILL', pid)
      Process.wait(pid)
    rescue Errno::ESRCH, Errno::ECHILD
      nil # it has ended by itself
    end

    private_class_method :start, :finish
  end
end
