# frozen_string_literal: true

require_relative 'loads/closed_load'
require_relative 'memory'
require_relative 'stage'
require_relative 'work'

module Bench
  # Checks that many requests do not increase descriptors and memory of the server's processes. A
  # warm-up with more clients than the check has lets pools and free lists reach their size first.
  class LeakCheck
    WARM_CLIENTS = 40
    CLIENTS = 16
    WARM_SHARE = 0.2
    SLICE_SECONDS = 2
    DESCRIPTORS = 2 # these may come and go in a process at any time
    MEMORY = 1024   # KiB, and 5 %: the heap of Ruby's collector varies
    MEMORY_SHARE = 0.05

    def initialize(places, server, requests)
      @stage = Stage.new(places, [server])
      @server = server
      @requests = requests
      @work = WORKS.find { |work| work.key == 'hello-16' }
    end

    # Prints the measurements; true if nothing leaks.
    def passed?
      before = after = failures = nil
      @stage.open(@work.arrangement) do
        @stage.warm_up(@work)
        load(@requests * WARM_SHARE, WARM_CLIENTS)
        before = look
        failures = load(@requests, CLIENTS)
        after = look
      end
      report(before, after, failures)
    end

    private

    def load(requests, clients)
      failures = 0
      while requests.positive?
        outcome = ClosedLoad.run(@server.url(@work.path), clients: clients, seconds: SLICE_SECONDS)
        raise Failure, 'the server answers nothing' if outcome.requests.zero?

        requests -= outcome.requests
        failures += outcome.failures
      end
      failures
    end

    # Measures after a pause in which the processes notice closed connections.
    def look
      sleep 2
      @server.processes.to_h { |process| [process.pid, [process.name, Memory.of(process.pid)]] }
    end

    def report(before, after, failures)
      puts "#{@server.title}: #{@requests} requests of #{CLIENTS} clients, #{failures} failed",
           format('  %-8s %-16s %16s %22s %22s', 'pid', 'process', 'descriptors', 'RSS KiB',
                  'PSS KiB')
      verdicts = (before.keys | after.keys).map do |pid|
        process_passed?(pid, before[pid], after[pid])
      end
      passed = verdicts.all? && failures.zero?
      puts passed ? 'No leak.' : 'FAILED: see the lines marked so.'
      passed
    end

    def process_passed?(pid, before, after)
      complaint = complaint_about(before&.last, after&.last)
      columns = %i[descriptors resident proportional].map do |field|
        [before, after].map { |look| look&.last ? look.last.public_send(field) : '-' }.join(' → ')
      end
      puts format('  %-8d %-16s %16s %22s %22s  %s', pid, (after || before).first, *columns,
                  complaint).rstrip
      complaint.nil?
    end

    def complaint_about(before, after)
      return 'FAILED: came or went meanwhile, or closed to this user' unless before && after
      return 'FAILED: descriptors' if after.descriptors > before.descriptors + DESCRIPTORS

      room = [MEMORY, before.proportional * MEMORY_SHARE].max
      'FAILED: memory' if after.proportional > before.proportional + room
    end
  end
end
