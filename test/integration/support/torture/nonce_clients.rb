# frozen_string_literal: true

require "securerandom"
require "zlib"

require_relative "../eventually"
require_relative "../raw_client"

# Clients that send requests to the nonce application until they are stopped. Each request has a
# nonce and a connection of its own. The outcome of each is kept.
class NonceClients
  # Seconds; longer than any effect of the storm on a request.
  STUCK = 60
  # Seconds between an answer and the next request: without it, clients take most of the processors.
  PAUSE = 0.005

  # `outcome`: an HTTP status; `:cut` if the connection ended before the answer; `:stuck`. `wrong`:
  # the fault of an answer with status 200, or nil. `port`: the client's. Times are of the monotonic
  # clock.
  Exchange = Struct.new(:nonce, :post, :sent, :port, :asked, :ended, :outcome, :wrong,
                        keyword_init: true) do
    def seconds
      ended - asked
    end

    def to_s
      format("%s %s with %d bytes, port %d, at %.3f: %s after %.3f s %s", post ? "POST" : "GET",
             nonce, sent, port,
             asked, outcome, seconds, wrong)
    end
  end

  # Sizes below and above the part that fits into the request's message, and beyond a channel's
  # buffer.
  UPLOADS = [0, 100, 2_000, 4_000, 60_000, 400_000].freeze
  DOWNLOADS = [0, 100, 5_000, 70_000, 400_000].freeze

  # `count` clients of `server`; `random` decides what they send.
  def initialize(server, count, random, site: server.configuration.sites.first.name,
                 patience: STUCK)
    @server = server
    @site = site
    @patience = patience
    @stopped = false
    @exchanges = Array.new(count) { [] }
    @threads = @exchanges.map do |exchanges|
      own = Random.new(random.rand(1 << 32))
      Thread.new { repeat(exchanges, own) }
    end
  end

  # Returns all exchanges, whether answered, cut or stuck, in the order of the requests.
  def stop
    @stopped = true
    @threads.each(&:join)
    exchanges
  end

  def exchanges
    @exchanges.flat_map(&:dup).sort_by(&:asked)
  end

  private

  def repeat(exchanges, random)
    until @stopped
      exchanges << exchange(random)
      sleep PAUSE
    end
  end

  def exchange(random)
    post = random.rand(2).zero?
    body = post ? random.bytes(UPLOADS.sample(random: random)) : ""
    wanted = DOWNLOADS.sample(random: random)
    made = Exchange.new(nonce: SecureRandom.hex(8), post: post, sent: body.bytesize,
                        asked: Eventually.monotonic)
    ask(made, body, wanted)
    made.ended = Eventually.monotonic
    made
  end

  def ask(made, body, wanted)
    raw = @server.raw(@site, timeout: @patience)
    made.port = raw.port
    send_request(raw, made, body, wanted)
    response = raw.response
    made.outcome = response.status
    made.wrong = complaint(made, response, body, wanted) if response.status == 200
  rescue EOFError, SystemCallError
    made.outcome = :cut
  rescue RawClient::Silence
    made.outcome = :stuck
  ensure
    # A reset leaves no closed connections, which would make the system's list long.
    raw&.abort
  end

  def send_request(raw, made, body, wanted)
    raw.request(made.post ? "POST" : "GET", "/", request_headers(made, body, wanted))
    raw.write(body)
  rescue Errno::EPIPE, Errno::ECONNRESET
    nil # The answer may have arrived all the same.
  end

  def request_headers(made, body, wanted)
    headers = { "X-Nonce" => made.nonce, "X-Wanted" => wanted.to_s }
    made.post ? headers.merge("Content-Length" => body.bytesize.to_s) : headers
  end

  def complaint(made, response, body, wanted)
    return "has nonce #{response['X-Nonce']}" if response["X-Nonce"] != made.nonce
    if response["X-Received"] != "#{body.bytesize} #{Zlib.crc32(body)}"
      return "received #{response['X-Received']}"
    end
    return "has #{response.body.bytesize} bytes of #{wanted}" if response.body.bytesize != wanted

    line = "#{made.nonce}\n"
    expected = (line * (wanted / line.bytesize + 1)).byteslice(0, wanted)
    "has another body" if response.body != expected
  end
end
