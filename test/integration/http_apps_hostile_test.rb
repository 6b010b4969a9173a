# frozen_string_literal: true

require_relative "support/integration_test"

# Malformed answers of HTTP applications. Each fails its own request only. No cut answer looks
# whole, and no byte of one answer gets into another.
class HttpAppsHostileTest < IntegrationTest
  GOOD = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"
  OK = "HTTP/1.1 200 OK\r\n"
  CHUNKED = "#{OK}Transfer-Encoding: chunked\r\n\r\n"

  NO_ANSWERS = {
    "negative_length" => "#{OK}Content-Length: -1\r\n\r\n",
    "two_lengths" => "#{OK}Content-Length: 4\r\nContent-Length: 5\r\n\r\nfour5",
    "the_same_length_twice" => "#{OK}Content-Length: 4\r\nContent-Length: 4\r\n\r\nfour",
    "length_with_a_blank" => "#{OK}Content-Length: 1 0\r\n\r\n0123456789",
    "length_over_two_lines" => "#{OK}Content-Length: 1\r\n 0\r\n\r\n0123456789",
    "length_beyond_2_to_63" => "#{OK}Content-Length: 9223372036854775808\r\n\r\nx",
    "length_beyond_2_to_64" => "#{OK}Content-Length: 18446744073709551617\r\n\r\nx",
    "length_and_coding" => "#{OK}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "unknown_coding" => "#{OK}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "bad_chunk" => "#{CHUNKED}zz\r\nbody\r\n0\r\n\r\n",
    "line_without_a_colon" => "#{OK}nonsense\r\n\r\n",
    "blank_before_the_colon" => "#{OK}Content-Length : 4\r\n\r\nfour",
    "nul_in_a_value" => "#{OK}X: a\0b\r\nContent-Length: 0\r\n\r\n",
    "cr_in_a_value" => "#{OK}X: a\rSet-Cookie: b\r\nContent-Length: 0\r\n\r\n",
    "nul_in_a_name" => "#{OK}X\0: a\r\nContent-Length: 0\r\n\r\n",
    "upgrade_nobody_asked_for" =>
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "status_that_is_none" => "HTTP/1.1 20 OK\r\n\r\n",
    "another_protocol" => "SSH-2.0-OpenSSH\r\n",
    "another_version" => "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "interim_answers_without_end" => "HTTP/1.1 102 Processing\r\n\r\n" * 20 + GOOD,
    "long_head" => "#{OK}X: #{'x' * 140_000}\r\nContent-Length: 0\r\n\r\n"
  }.freeze

  serve do |made|
    made.set("PassengerMaxPoolSize", 1)
    made.main_directives << "LimitRequestLine 500000\n"
    made.site("hostile.test", SampleApps.copy("http_app"),
              "PassengerAppStartCommand \"exec #{RbConfig.ruby} hostile.rb\"\n" \
              "PassengerForceMaxConcurrentRequestsPerProcess 1\n")
  end

  # The instance survives each of these answers.
  def setup
    @pid = pid
  end

  def teardown
    assert_equal @pid, pid, "the instance is the same"
  end

  NO_ANSWERS.each do |name, bytes|
    define_method("test_#{name}_is_a_502") do
      assert_equal 502, final_answer(ask(bytes)).status
      assert_good
    end
  end

  def test_a_connection_that_is_closed_or_reset_without_an_answer_is_a_502
    %w[! ~].each { |ending| assert_equal 502, ask("", ending).response.status }
    assert_good
  end

  def test_an_answer_shorter_than_its_length_does_not_look_whole
    assert_broken_off("#{OK}Content-Length: 10\r\n\r\n", "short", "!")
  end

  def test_a_chunked_answer_that_is_broken_off_does_not_look_whole
    ["4\r\nbody\r\n", "9\r\nbody"].product(%w[! ~]).each do |body, ending|
      assert_broken_off(CHUNKED, body, ending)
    end
  end

  def test_a_bad_chunk_after_the_head_does_not_look_whole
    assert_broken_off(CHUNKED, "4\r\nbody\r\nzz\r\nbody\r\n0\r\n\r\n", "")
    assert_broken_off(CHUNKED, "4\r\nbody is longer\r\n0\r\n\r\n", "")
  end

  def test_an_answer_until_the_connections_end_is_whole_only_if_it_was_closed_in_order
    assert_equal "all of it", ask("#{OK}\r\nall of it", "!").response.body
    assert_broken_off("#{OK}\r\n", "a part", "~")
  end

  def test_interim_answers_are_passed_on_or_swallowed_and_the_real_one_follows
    raw = ask("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n#{GOOD}")
    hints = raw.read_head
    assert_equal [103, "</a>"], [hints.status, hints["Link"]]
    assert_equal "good", raw.response.body
  end

  # The bridge looks at the connection before it sends the next request: afterwards surplus bytes
  # look like that request's answer.
  def test_bytes_behind_an_answer_reach_no_client
    surplus = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
    ["", ","].each do |pause|
      query = "#{hex(GOOD)}#{pause}#{hex(surplus)}"
      assert_equal "good", ask_in_pieces(query).response.body
      unless pause.empty?
        eventually("the application has said it") { File.read(said).include?("#{query}\n") }
      end
      assert_good
    end
  end

  def test_an_answer_that_arrives_byte_by_byte_is_whole
    pieces = GOOD.chars.each_slice(5).map { |slice| hex(slice.join) }
    assert_equal "good", ask_in_pieces(pieces.join(",")).response.body
  end

  def test_headers_of_the_connection_do_not_reach_the_client
    lines = { "Connection" => "X-Mine, close", "Keep-Alive" => "5", "TE" => "x", "Upgrade" => "h2c",
              "X-Mine" => "1",
              "Proxy-Connection" => "x", "Proxy-Authenticate" => "x", "Trailer" => "Y",
              "X-Kept" => "1" }
    head = lines.map { |name, value| "#{name}: #{value}\r\n" }.join
    answer = ask("#{OK}#{head}Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nY: trailer\r\n" \
                 "\r\n").response
    assert_equal ["body", "1"], [answer.body, answer["X-Kept"]]
    %w[TE Upgrade X-Mine Proxy-Connection Proxy-Authenticate Trailer
       Y].each { |name| assert_nil answer[name], name }
    assert_good
  end

  def test_answers_without_a_body_have_none_whatever_their_heads_say
    ["204 No Content", "304 Not Modified"].each do |status|
      assert_equal status.to_i,
                   ask("HTTP/1.1 #{status}\r\nContent-Length: 10\r\n\r\n").response.status
      assert_good
    end
    raw = server.raw.request("HEAD", "/?#{hex("#{OK}Content-Length: 10\r\n\r\n")}")
    assert_equal "10", raw.response(head: true)["Content-Length"]
    assert_good
  end

  private

  # The file where the application notes what it has sent in pieces.
  def said
    File.join(server.configuration.sites.first.root, "said")
  end

  def final_answer(raw)
    answer = raw.response
    answer = raw.response while answer.status < 200
    answer
  end

  def pid
    client.get("/?pid").body
  end

  def hex(bytes)
    bytes.unpack1("H*")
  end

  def ask_in_pieces(query)
    server.raw.request("GET", "/?#{query}")
  end

  def ask(bytes, ending = "")
    ask_in_pieces(hex(bytes) + ending)
  end

  # Each instance answers one request at a time, over its one connection.
  def assert_good
    3.times { assert_equal "good", ask(GOOD).response.body }
  end

  # The head is sent first, so httpd has passed it on when the body turns out malformed.
  def assert_broken_off(head, body, ending)
    raw = ask_in_pieces("#{hex(head)},#{hex(body)}#{ending}")
    begin
      answer = raw.response
      flunk "#{body.inspect} looks whole: #{answer.body.inspect}" unless answer.status == 502
    rescue EOFError, Errno::ECONNRESET, ArgumentError
      nil
    end
    assert raw.ended?
    assert_good
  end
end
