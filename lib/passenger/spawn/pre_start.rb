# frozen_string_literal: true

require "net/http"
require "openssl"
require "socket"
require "uri"

require_relative "privileges"

module PhusionPassenger
  # Asks httpd for the URLs of PassengerPreStart, so that their applications start before anybody else asks. A process of its own, which the
  # agent starts; it says on its standard output how each of them went, and ends.
  #
  # httpd may be just about to serve, or have been reloaded: so it is asked again while it refuses connections.
  class PreStart
    URLS = "PASSENGER_PRE_START_URLS"
    AGENT = "mod_passenger PassengerPreStart"
    # Seconds. An application may take long to start (PassengerStartTimeout).
    CONNECT_TIME = 30
    CONNECT_TIMEOUT = 5
    ANSWER_TIMEOUT = 300
    PAUSE = 0.2
    # Of the URLs: what the machine can start at once is the agent's matter.
    AT_ONCE = 16

    def self.main(user = "")
      Privileges.new(user, "").drop
      new(ENV.delete(URLS).to_s.lines(chomp: true), $stdout).run
    rescue Privileges::Refused => e
      warn("PassengerPreStart: #{e.message}")
      exit(1)
    end

    def initialize(urls, output, connect_time: CONNECT_TIME)
      @urls = Queue.new
      urls.uniq.each { |url| @urls << url }
      @output = output
      @connect_time = connect_time
    end

    def run
      Array.new([@urls.size, AT_ONCE].min) { Thread.new { work } }.each(&:join)
    end

    private

    def work
      while (url = next_url)
        began = now
        result = begin
          "done\t#{url}\t#{ask(URI.parse(url))}"
        rescue StandardError => e
          "failed\t#{url}\t#{e.message.tr("\t\n", '  ')}"
        end
        @output.syswrite("#{result}\t#{((now - began) * 1000).round}\n")
      end
    end

    def next_url
      @urls.pop(true)
    rescue ThreadError
      nil
    end

    # The status of the answer.
    def ask(uri)
      # httpd refuses them in its configuration already.
      raise ArgumentError, "a URL must not have a user or password: whoever answers would get it" if uri.userinfo

      last = nil
      deadline = now + @connect_time
      loop do
        addresses_for(uri).each do |address|
          return request(uri, address)
        rescue Errno::ECONNREFUSED, Errno::EHOSTUNREACH, Errno::ENETUNREACH, Errno::EADDRNOTAVAIL, Net::OpenTimeout => e
          last = e
        end
        raise last if now >= deadline

        sleep(PAUSE)
      end
    end

    # Where httpd may listen: if the host is this machine, at its own address, for hosts of httpd may differ by that; else at any address of
    # this machine, as the host may be what stands before it. Last, wherever the host is.
    def addresses_for(uri)
      own = Socket.ip_address_list.reject(&:ipv6_linklocal?).map(&:ip_address)
      named = Addrinfo.getaddrinfo(uri.hostname, nil, nil, :STREAM).map(&:ip_address)
      ((named & own) + ["127.0.0.1", "::1"] + own + named).uniq
    rescue SocketError
      ["127.0.0.1", "::1", *own].uniq
    end

    def request(uri, address)
      http = Net::HTTP.new(uri.hostname, uri.port, nil)
      http.ipaddr = address
      http.open_timeout = CONNECT_TIMEOUT
      http.read_timeout = ANSWER_TIMEOUT
      http.max_retries = 0
      if uri.scheme == "https"
        # It is our own httpd, and nothing secret is said.
        http.use_ssl = true
        http.verify_mode = OpenSSL::SSL::VERIFY_NONE
      end
      head = Net::HTTP::Head.new(uri.request_uri, "User-Agent" => AGENT)
      http.start { http.request(head).code }
    end

    def now
      Process.clock_gettime(Process::CLOCK_MONOTONIC)
    end
  end
end

if __FILE__ == $PROGRAM_NAME
  $PROGRAM_NAME = "Passenger pre-start"
  PhusionPassenger::PreStart.main(*ARGV.first(1))
end
