# frozen_string_literal: true

require 'rbconfig'

module Bench
  # A program under its keeper (keeper.rb), as the benchmark holds it. Close to an owning type: whoever makes one must
  # stop it, and if the benchmark dies first, the lifeline's end does it.
  class KeptProcess
    KEEPER = File.expand_path('keeper.rb', __dir__)

    attr_reader :keeper

    def initialize(command, log:, user: '', environment: {}, directory: '/')
      lifeline, @lifeline = IO.pipe
      @output, output = IO.pipe
      @keeper = Process.spawn(environment, RbConfig.ruby, '--disable-gems', KEEPER, log, user, *command,
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

    # Waits for the end of all its processes; returns the names of those that had to be killed.
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
