# frozen_string_literal: true

require_relative '../h2load'
require_relative '../outcome'
require_relative '../programs'
require_relative 'body_load'
require_relative 'load'

module Bench
  # Clients over TLS that each have Work#streams requests on their connection at once, or one at a
  # time by HTTP/1.1.
  class TlsLoad < Load
    def self.missing(_places)
      H2Load.missing
    end

    def run(server, seconds:, round:) # rubocop:disable Lint/UnusedMethodArgument
      load = H2Load.new(server.url(@work.path), clients: @work.clients, seconds: seconds,
                        streams: @work.streams, log: File.join(server.places.run_folder, 'h2load'))
      Outcome.with_cpu do
        load.parse(*Programs.run(load.command))
        Outcome.new(requests: load.answers, seconds: load.seconds, failures: load.failures,
                    latency: Outcome.milliseconds(load.latency), more: {})
      end
    end
  end

  # Bodies over TLS.
  module OverTls
    private

    def arguments(server)
      ['--insecure', @work.streams ? '--http2' : '--http1.1', *super]
    end
  end

  # A long answer over TLS.
  class TlsDownload < Download
    include OverTls
  end

  # A long upload over TLS.
  class TlsUpload < Upload
    include OverTls
  end
end
