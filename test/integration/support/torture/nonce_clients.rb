# frozen_string_literal: true

require "securerandom"
require "zlib"

require_relative "../eventually"
require_relative "../raw_client"

# Clients that send requests to the nonce application until they are stopped, each request with a nonce and on a connection
# of its own. What became of each is kept.
class NonceClients
  # Longer than anything that the storm does to a request.
  STUCK = 60

  # `outcome`: an HTTP status; `:cut` where the connection ended before the answer did; `:stuck`. `wrong`: what was wrong
  # with an answer that says that all is well; else nil. `port`: the client's. Times by the monotonic clock.
  Exchange = Struct.new(:nonce, :post, :sent, :port, :asked, :ended, :outcome, :wrong, keyword_init: true) do
    def seconds
      ended - asked
    end

    def to_s
      format("%s %s with %d bytes, port %d, at %.3f: %s after %.3f s %s", post ? "POST" : "GET", nonce, sent, port,
             asked, outcome, seconds, wrong)
    end
  end

  # Below and above what goes with the request in one message, and more than a channel's buffer holds.
  UPLOADS = [0, 100, 2_000, 4_000, 60_000, 400_000].freeze
  DOWNLOADS = [0, 100, 5_000, 70_000, 400_000].freeze

  # `count` clients of `server` that choose what to send with `random`.
  def initialize(server, count, random, site: server.configuration.sites.first.name, patience: STUCK)
    @server = server
    @site = site
    @patience = patience
    @stopped = false
    @exchanges = Array.new(count) { [] }
    @threads = @exchanges.map do |exchanges|
      own = Random.new(random.rand(1 << 32))
      Thread.new { exchanges << exchange(own) until @stopped }
    end
  end

  # All that were answered, cut or stuck, in the order of the questions.
  def stop
    @stopped = true
    @threads.each(&:join)
    exchanges
  end

  def exchanges
    @exchanges.flat_map(&:dup).sort_by(&:asked)
  end

  private

  def exchange(random)
    post = random.rand(2).zero?
    body = post ? random.bytes(UPLOADS.sample(random: random)) : ""
    wanted = DOWNLOADS.sample(random: random)
    made = Exchange.new(nonce: SecureRandom.hex(8), post: post, sent: body.bytesize, asked: Eventually.monotonic)
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
    # So that no closed connections stay, which would make the list of all that there are long.
    raw&.abort
  end

  def send_request(raw, made, body, wanted)
    raw.request(made.post ? "POST" : "GET", "/", request_headers(made, body, wanted))
    raw.write(body)
  rescue Errno::EPIPE, Errno::ECONNRESET
    nil # The answer may be here nevertheless.
  end

  def request_headers(made, body, wanted)
    headers = { "X-Nonce" => made.nonce, "X-Wanted" => wanted.to_s }
    made.post ? headers.merge("Content-Length" => body.bytesize.to_s) : headers
  end

  def complaint(made, response, body, wanted)
    return "has nonce #{response['X-Nonce']}" if response["X-Nonce"] != made.nonce
    return "received #{response['X-Received']}" if response["X-Received"] != "#{body.bytesize} #{Zlib.crc32(body)}"
    return "has #{response.body.bytesize} bytes of #{wanted}" if response.body.bytesize != wanted

    line = "#{made.nonce}\n"
    "has another body" if response.body != (line * (wanted / line.bytesize + 1)).byteslice(0, wanted)
  end
end
