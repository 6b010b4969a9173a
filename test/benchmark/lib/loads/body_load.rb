# frozen_string_literal: true

require_relative '../failure'
require_relative '../outcome'
require_relative '../programs'
require_relative 'load'

module Bench
  # One client with one long body after another. The figures are MiB per second, by the median of
  # the times, and CPU time for each MiB.
  class BodyLoad < Load
    MEBIBYTE = 1024 * 1024
    SECONDS = 120
    # Bodies of a round.
    BODIES = 1

    def self.missing(_places)
      'install the package curl' unless system('command -v curl >/dev/null')
    end

    def self.key
      { 'Download' => 'down', 'Upload' => 'up' }.fetch(name[/(Download|Upload)\z/])
    end

    def run(server, seconds:, round:) # rubocop:disable Lint/UnusedMethodArgument
      Outcome.with_cpu do
        times = Array.new(self.class::BODIES) { transfer(server) }.sort
        Outcome.new(requests: self.class::MEBIBYTES * times.length,
                    seconds: times[times.length / 2] * times.length, failures: 0, latency: {},
                    more: {})
      end
    end

    private

    # Returns the seconds.
    def transfer(server)
      report, = Programs.run(['curl', '--silent', '--show-error', '--max-time', SECONDS,
                              '--output', body_file(server),
                              '--write-out', '%{http_code} %{time_total}', *arguments(server)])
      status, time = report.split
      return time.to_f if status == '200' && arrived?(server)

      raise Failure, "#{server.title} did not take a body of #{self.class::MEBIBYTES} MiB whole: " \
                     "#{report}"
    end
  end

  # A long answer.
  class Download < BodyLoad
    MEBIBYTES = 1024

    private

    def arguments(server)
      ['--fail', server.url('/down')]
    end

    def body_file(_server)
      File::NULL
    end

    # curl fails if the answer is cut.
    def arrived?(_server)
      true
    end
  end

  # A long upload of a file without blocks on a disk. A virtual machine may have given free memory
  # back to its host, and gets it again slowly. So the first upload of a server that keeps the body
  # in a file takes 288 ms where the next ones take 112.
  class Upload < BodyLoad
    MEBIBYTES = 128
    BODIES = 5

    private

    def arguments(server)
      file = File.join(server.places.run_folder, 'upload')
      File.open(file, 'w') { |empty| empty.truncate(MEBIBYTES * MEBIBYTE) }
      ['--header', 'Expect:', '--upload-file', file, server.url('/up')]
    end

    def body_file(server)
      File.join(server.places.run_folder, 'answer')
    end

    def arrived?(server)
      File.read(body_file(server)) == (MEBIBYTES * MEBIBYTE).to_s
    end
  end
end
