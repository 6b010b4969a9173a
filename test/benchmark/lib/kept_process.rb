# frozen_string_literal: true

require 'rbconfig'

module Bench
  # A program under its keeper (keeper.rb), owned by the benchmark. The code that makes a
  # KeptProcess must stop it. If the benchmark dies first, the end of the lifeline stops it.
  class KeptProcess
    KEEPER = File.expand_path('keeper.rb', __dir__)

    attr_reader :keeper

    def initialize(command, log:, user: '', environment: {}, directory: '/')
      lifeline, @lifeline = IO.pipe
      @output, output = IO.pipe
      @keeper = Process.spawn(environment, RbConfig.ruby, '--disable-gems', KEEPER, log, user,
                              *command,
                              in: lifeline, out: output, err: [log, 'a'], chdir: directory)
      lifeline.close
      output.close
    end

    def running?
      @keeper && Process.wait(@keeper, Process::WNOHANG).nil?
    rescue Errno::ECHILD
      false
    end

    # Begins the end and returns at once, so that several can end at the same time.
    def let_go
      @lifeline.close unless @lifeline.closed?
    end

    # Waits for the end of all processes; returns the names of those that had to be killed.
    def finish
      let_go
      return [] unless @keeper

      killed = @output.read.split("\n")
      begin
        Process.wait(@keeper)
      rescue Errno::ECHILD
        nil # running? has reaped it
      end
      @output.close
      @keeper = nil
      killed
    end
  end
end
