# frozen_string_literal: true

require 'net/http'
require 'openssl'
require_relative 'failure'

module Bench
  # For classes with a process that answers on a port of 127.0.0.1. They define port, process and
  # log_end, and redefine tls?.
  module Awaiting
    def url(path)
      "http#{'s' if tls?}://127.0.0.1:#{port}#{path}"
    end

    def tls?
      false
    end

    # Waits for a good answer to path.
    def await(path, seconds: 60)
      deadline = Process.clock_gettime(Process::CLOCK_MONOTONIC) + seconds
      until (answer = try(path)) == '200'
        unless process.running? && Process.clock_gettime(Process::CLOCK_MONOTONIC) < deadline
          raise Failure, "no 200 from #{url(path)}, but #{answer}; the end of its log:\n#{log_end}"
        end

        sleep 0.1
      end
    end

    private

    def try(path)
      Net::HTTP.start('127.0.0.1', port, open_timeout: 5, read_timeout: 60, use_ssl: tls?,
                      verify_mode: OpenSSL::SSL::VERIFY_NONE) do |http|
        http.get(path).code
      end
    rescue SystemCallError, IOError, Timeout::Error, OpenSSL::SSL::SSLError => error
      error.message
    end
  end
end
