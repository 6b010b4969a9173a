# frozen_string_literal: true

require "net/http"
require "openssl"
require "socket"
require "uri"

require_relative "process_control"
require_relative "../base/monotonic_clock"

module PhusionPassenger
  # Requests the URLs of PassengerPreStart, so that their applications start before the first
  # client. The agent starts this program. It prints one line for each URL and ends.
  #
  # httpd may not listen yet, or reload at this moment. A request is repeated while httpd refuses
  # connections.
  class PreStart
    URLS = "PASSENGER_PRE_START_URLS"
    AGENT = "mod_passenger PassengerPreStart"
    # Seconds. An application may take long to start (PassengerStartTimeout).
    CONNECT_TIME = 30
    CONNECT_TIMEOUT = 5
    ANSWER_TIMEOUT = 300
    PAUSE = 0.2
    # Answers by which httpd may have kept the request from the application.
    REFUSALS = (300..499).freeze
    # URLs. The agent decides how many applications start at once.
    AT_ONCE = 16

    def self.main
      new(ENV.delete(URLS).to_s.lines(chomp: true), $stdout).run
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
        began = MonotonicClock.now
        result = begin
          "done\t#{url}\t#{ask(URI.parse(url))}"
        rescue StandardError => e
          "failed\t#{url}\t#{e.message.tr("\t\n", '  ')}"
        end
        @output.syswrite("#{result}\t#{((MonotonicClock.now - began) * 1000).round}\n")
      end
    end

    def next_url
      @urls.pop(true)
    rescue ThreadError
      nil
    end

    # Returns the status of the application's answer.
    def ask(uri)
      # httpd refuses such URLs in its configuration already.
      if uri.userinfo
        raise ArgumentError, "a URL must not have a user or password: the server would receive them"
      end

      deadline = MonotonicClock.now + @connect_time
      loop do
        problems = Hash.new { |all, reason| all[reason] = [] }
        addresses_for(uri).each do |address|
          return request(uri, address)
        rescue Errno::ECONNREFUSED, Errno::EHOSTUNREACH, Errno::ENETUNREACH, Errno::EADDRNOTAVAIL,
               Net::OpenTimeout => e
          problems[reason_of(e)] << address
        end
        raise IOError, no_server(uri, problems) if MonotonicClock.now >= deadline

        sleep(PAUSE)
      end
    end

    def reason_of(error)
      error.is_a?(SystemCallError) ? SystemCallError.new(error.errno).message : "no answer"
    end

    # `problems`: addresses by the reason.
    def no_server(uri, problems)
      found = problems.map { |reason, addresses| "#{reason} at #{addresses.join(', ')}" }
      "no server takes connections to port #{uri.port}: #{found.join('; ')}"
    end

    # Addresses at which httpd may listen. If the host is an address of this machine, that comes
    # first: virtual hosts may differ by address. Then all addresses of this machine, because the
    # host may be a proxy. Last, the addresses of the host.
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
        # The server is the own httpd, and the request has no secret.
        http.use_ssl = true
        http.verify_mode = OpenSSL::SSL::VERIFY_NONE
      end
      head = Net::HTTP::Head.new(uri.request_uri, "User-Agent" => AGENT)
      status_of(http.start { http.request(head) })
    end

    # Each answer of an application has a header of the module.
    def status_of(answer)
      unless REFUSALS.cover?(answer.code.to_i) &&
             !answer["X-Powered-By"].to_s.include?("mod_passenger")
        return answer.code
      end

      place = answer["Location"] && ", Location: #{answer['Location'].delete('"')}"
      raise IOError, "httpd answered itself or removed X-Powered-By (status #{answer.code}#{place})"
    end
  end
end

if __FILE__ == $PROGRAM_NAME
  PhusionPassenger::ProcessControl.close_to_others
  $PROGRAM_NAME = "Passenger pre-start"
  PhusionPassenger::PreStart.main
end
