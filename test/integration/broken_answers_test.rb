# frozen_string_literal: true

require_relative "support/integration_test"

# Answers of Rack applications that differ from their heads, or end early. httpd cuts, refuses or
# breaks off each of them; no client takes it for whole.
class BrokenAnswersTest < IntegrationTest
  # /KIND/SIZE/LENGTH: a body of SIZE bytes with another Content-Length. /end/WAY, /cut/WAY: a body
  # that ends in an error.
  APP = <<~'RUBY'
    class Body
      def initialize(&each) = @each = each
      def each(&block) = @each.call(block)
    end

    class Whole
      attr_reader :to_path

      def initialize(size)
        @to_path = File.join(__dir__, "tmp", "body")
        File.write(@to_path, "x" * size)
      end
    end

    BODIES = {
      "array" => ->(size) { ["x" * size] },
      "pieces" => ->(size) { Body.new { |send| (size / 10).times { send.call("x" * 10) } } },
      "file" => ->(size) { Whole.new(size) }
    }.freeze
    ENDS = { "raise" => -> { raise IOError, "no more" }, "exit" => -> { exit },
             "exit!" => -> { exit! }, "kill" => -> { Process.kill(:KILL, Process.pid) } }.freeze

    # Waits for the test between the first piece and the end.
    def ending(way, fifo)
      Body.new do |send|
        if fifo
          send.call("first")
          File.open(fifo, "r+").gets
        end
        ENDS.fetch(way).call
      end
    end

    run(lambda do |env|
      _, kind, size, length = env["PATH_INFO"].split("/")
      case kind
      when "pid" then [200, { "Content-Type" => "text/plain" }, [Process.pid.to_s]]
      when "coding"
        [200, { "Content-Type" => "text/plain", "Transfer-Encoding" => "gzip, chunked" },
         ["1\r\nx\r\n0\r\n\r\n"]]
      when "hop"
        names = %w[Keep-Alive Proxy-Authenticate Proxy-Authorization Proxy-Connection TE Trailer
                   Upgrade X-Mine]
        headers = names.to_h { |name| [name, "x"] }
        [200, headers.merge("Connection" => "X-Mine", "X-Kept" => "1"), ["kept"]]
      when "end"
        length = { "Content-Length" => "1000" } if env["QUERY_STRING"].include?("length=yes")
        [200, { "Content-Type" => "text/plain" }.merge(length || {}),
         ending(size, env["QUERY_STRING"][/fifo=([^&]+)/, 1])]
      when "cut"
        length = { "Content-Length" => "1000000" } if env["QUERY_STRING"].include?("length=yes")
        [200, { "Content-Type" => "text/plain" }.merge(length || {}), Body.new do |send|
          50.times { send.call("x" * 10_000) }
          ENDS.fetch(size).call
        end]
      else
        [200, { "Content-Type" => "text/plain", "Content-Length" => length },
         BODIES.fetch(kind).call(size.to_i)]
      end
    end)
  RUBY

  KINDS = %w[array pieces file].freeze
  CUTS = %w[raise kill].product(%w[yes no]).map { |way, length| "/cut/#{way}?length=#{length}" }

  serve do |made|
    made.set("PassengerMaxPoolSize", 2 + KINDS.size)
    made.set("PassengerMaxInstances", 1)
    # Tests wait for the log between two requests on a connection.
    made.main_directives << "KeepAliveTimeout 60\n"
    made.site("app.test", SampleApps.written(APP))
    # For each application the log has only ten lines of a kind in ten seconds.
    KINDS.each { |kind| made.site("#{kind}.test", SampleApps.written(APP)) }
    cached_site(made)
  end

  # mod_cache would keep answers and pages that look whole.
  def self.cached_site(made)
    %w[cache cache_disk include].each do |name|
      file = File.join(TestEnvironment.modules_dir, "mod_#{name}.so")
      made.main_directives << "LoadModule #{name}_module #{file}\n"
    end
    app = SampleApps.written(APP)
    CUTS.each_with_index do |path, i|
      File.write(File.join(app, "public/#{i}.shtml"), "<!--#include virtual='#{path}' -->\n")
    end
    cache = SampleApps.new_folder
    [app, cache].each { |folder| TestEnvironment.hand_over(folder) }
    made.site("cached.test", app, <<~CONF)
      CacheRoot #{cache}
      CacheEnable disk /
      Header set Cache-Control max-age=600
      AddOutputFilter INCLUDES .shtml
      <Location />
        Options +Includes
      </Location>
    CONF
  end

  def setup
    @pid = pid
    @position = server.log.position
    @raw = server.raw
  end

  def teardown
    @raw.close
  end

  KINDS.each do |kind|
    define_method("test_#{kind}_longer_than_the_length_are_cut_there_and_the_log_says_so") do
      use("#{kind}.test")
      # Sizes beyond one message and beyond the memory buffer, and pieces that end at the length.
      [[30, 15], [30, 10], [30, 0], [100_000, 5], [500_000, 250_001]].each do |size, length|
        position = server.log.position
        assert_equal "x" * length, @raw.get("/#{kind}/#{size}/#{length}").body
        assert server.log.wait_for(/event=response\.cut.*longer than its Content-Length/,
                                   from: position), "#{size} #{length}"
        assert_equal @pid, @raw.get("/pid").body, "the connection is in order"
      end
    end

    define_method("test_#{kind}_shorter_than_the_length_do_not_look_whole") do
      use("#{kind}.test")
      [[10, 11], [0, 5], [100_000, 100_001], [500_000, 1_000_000]].each do |size, length|
        assert_not_whole("#{kind}.test") { |raw| raw.get("/#{kind}/#{size}/#{length}") }
        assert_equal @pid, pid("#{kind}.test")
      end
      assert server.log.wait_for(/request\.failed.*shorter than its Content-Length/,
                                 from: @position)
    end
  end

  def test_a_body_in_one_message_that_is_too_short_is_a_bad_gateway
    assert_equal 502, @raw.get("/array/10/11").status
    assert_equal @pid, @raw.get("/pid").body
  end

  def test_a_body_that_ends_badly_after_its_first_piece_closes_the_connection
    endings do |way, length, path|
      @raw = server.raw.request("GET", "/end/#{way}?fifo=#{path}&length=#{length}")
      assert_equal 200, @raw.read_head.status
      assert_equal "first", length == "yes" ? @raw.read_bytes(5) : @raw.read_chunk, way
      release(path)
      assert_raises(EOFError, Errno::ECONNRESET, way) do
        length == "yes" ? @raw.read_bytes(1) : @raw.read_chunk
      end
      @raw.close
    end
  end

  def test_a_body_that_ends_badly_before_its_first_piece_does_not_look_whole
    endings do |way, length, _path|
      assert_not_whole { |raw| raw.get("/end/#{way}?length=#{length}") }
    end
  end

  def test_httpds_cache_keeps_no_answer_that_breaks_off
    answer_whole
    CUTS.each { |path| 2.times { assert_not_whole("cached.test") { |raw| raw.get(path) } } }
    assert_equal "xx", Array.new(2) { server.client("cached.test").get("/array/1/1").body }.join
    assert server.client("cached.test").get("/array/1/1")["Age"]
  end

  def test_httpds_cache_keeps_no_page_that_includes_an_answer_that_breaks_off
    answer_whole
    CUTS.each_index do |i|
      2.times do
        @raw = server.raw("cached.test")
        # No reset of the connection: the page's last chunk is missing.
        assert_raises(EOFError, "500001 bytes look whole") { @raw.get("/#{i}.shtml") }
        @raw.close
      end
    end
  end

  def test_an_exception_within_the_body_does_not_end_the_instance
    assert_not_whole { |raw| raw.get("/end/raise?length=no") }
    assert_equal @pid, pid
  end

  def test_an_unknown_transfer_coding_is_a_bad_gateway
    answer = @raw.get("/coding")
    assert_equal [502, nil], [answer.status, answer["Transfer-Encoding"]]
    assert_match(/transfer coding/, server.log.wait_for(/response\.refused/, from: @position))
    assert_equal @pid, @raw.get("/pid").body
  end

  def test_headers_of_the_connection_do_not_reach_the_client
    answer = @raw.get("/hop")
    assert_equal [200, "kept", "1"], [answer.status, answer.body, answer["X-Kept"]]
    ours = %w[Keep-Alive Proxy-Authenticate Proxy-Authorization Proxy-Connection TE Trailer Upgrade
              X-Mine]
    assert_empty answer.headers.select { |name, value|
      value == "x" && ours.any? { |other| other.casecmp?(name) }
    }
  end

  private

  # An application whose instances die by each request is refused after a few. This answer ends the
  # row.
  def answer_whole
    client = server.client("cached.test")
    assert_equal "x", client.get("/array/1/1?#{SecureRandom.hex}").body
  end

  def pid(site = "app.test")
    server.client(site).get("/pid").body
  end

  def use(site)
    @raw.close
    @raw = server.raw(site)
    @pid = pid(site)
  end

  # Each way, with and without a length, each with a FIFO. An instance runs at the end.
  def endings
    %w[raise exit exit! kill].product(%w[yes no]).each do |way, length|
      yield way, length, fifo("#{way}-#{length}")
      eventually("an instance after #{way}") { server.client.get("/pid").code == "200" }
    end
  end

  # Accepts an error status if httpd had sent nothing yet, or a connection that ends within the
  # body.
  def assert_not_whole(site = "app.test")
    raw = server.raw(site)
    answer = yield raw
    assert_includes [500, 502], answer.status, "#{answer.body.bytesize} bytes look whole"
  rescue EOFError, Errno::ECONNRESET
    assert true
  ensure
    raw.close
  end
end
