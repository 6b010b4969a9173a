# frozen_string_literal: true

require "stringio"
require "zlib"
require_relative "uploads_test"

# The tests of UploadsTest for an application that reads bodies while they arrive.
class StreamedUploadsTest < UploadsTest
  serve do |made|
    made.main_directives << "LimitRequestFieldSize 200000\nPassengerBufferUpload off\n"
    made.site("rack.test", SampleApps.rack)
    made.site("rails.test", SampleApps.rails, "SetEnv SECRET_KEY_BASE #{SampleApps::SECRET}\n")
  end

  def test_a_broken_body_is_a_bad_request_and_does_not_look_whole_to_the_application
    finished = File.join(scratch, "finished")
    # A client that has closed its side counts as gone after a second, and a start may take longer.
    client.get("/hello")
    [[{ "Transfer-Encoding" => "chunked" }, "5\r\nhello\r\nzz\r\nhello\r\n0\r\n\r\n"],
     [{ "Transfer-Encoding" => "chunked" }, "#{100_000.to_s(16)}\r\n#{'x' * 100_000}\r\n5\r\nhel"],
     [{ "Content-Length" => "100000" }, "x" * 50_000]].each do |headers, body|
      in_one_of(3) do
        raw = server.raw.request("POST", "/upload?finished=#{finished}", headers).write(body)
        raw.close_write
        assert_equal 400, status_of(raw)
      ensure
        raw&.close
      end
    end
    assert_status 200, client.post("/upload?finished=#{finished}", "whole")
    assert_equal 1, File.readlines(finished).size
  end

  MEASURES = <<~'RUBY'
    run(lambda do |env|
      [200, { "Content-Type" => "text/plain" },
       ["#{env["CONTENT_LENGTH"]} #{env["rack.input"].read.bytesize}"]]
    end)
  RUBY

  # The application gets the length of the body that it reads, not that of the client's.
  def test_a_body_whose_length_a_filter_changes_arrives_whole
    http = "PassengerAppStartCommand \"#{RbConfig.ruby} server.rb\"\n"
    made = configuration do |one|
      one.main_directives << filters("half" => "s/aa/a/g", "double" => "s/a/aa/g")
      %w[half double].each do |filter|
        set = "PassengerBufferUpload off\nSetInputFilter #{filter}\n"
        one.site("#{filter}.test", SampleApps.written(MEASURES), set)
        one.site("#{filter}-http.test", SampleApps.copy("http_app"), set + http)
      end
    end
    with_server(made) do |own|
      { "half" => 10_200, "double" => 39_800 }.each do |filter, size|
        body = "#{'a' * 99}\n" * 200
        assert_equal "#{size} #{size}", own.client("#{filter}.test").post("/", body).body
        assert_equal size, own.client("#{filter}-http.test").post("/echo", body).body.bytesize
      end
    end
  end

  # mod_deflate removes Content-Encoding when the body is read.
  def test_a_body_that_a_filter_inflates_arrives_without_its_encoding
    body = Zlib.gzip("text")
    with_inflating_server do |own|
      [nil, body.bytesize].each do |length|
        answer = own.client.post_stream("/", StringIO.new(body), length: length,
                                        headers: { "Content-Encoding" => "gzip" })
        assert_equal "nil text", answer.body, length.inspect
      end
    end
  end

  # The client awaits the answer before it ends the body.
  def test_a_chunked_body_without_an_encoding_is_streamed_through_filters
    with_inflating_server do |own|
      raw = own.raw.request("POST", "/", "Transfer-Encoding" => "chunked", "X-Size" => "4")
      assert_equal "nil text", raw.write("4\r\ntext\r\n").response.body
    ensure
      raw&.close
    end
  end

  private

  def with_inflating_server(&)
    made = configuration do |one|
      file = File.join(TestEnvironment.modules_dir, "mod_deflate.so")
      one.main_directives << "LoadModule deflate_module #{file}\n"
      one.site("inflated.test", SampleApps.written(<<~'RUBY'), <<~CONF)
        run(lambda do |env|
          text = env["rack.input"].read(env["HTTP_X_SIZE"]&.to_i)
          [200, {}, [env["HTTP_CONTENT_ENCODING"].inspect, " ", text]]
        end)
      RUBY
        PassengerBufferUpload off
        SetInputFilter DEFLATE
      CONF
    end
    with_server(made, &)
  end

  def filters(edits)
    file = File.join(TestEnvironment.modules_dir, "mod_ext_filter.so")
    lines = edits.map { |name, edit| "ExtFilterDefine #{name} mode=input cmd=\"/bin/sed #{edit}\"" }
    ["LoadModule ext_filter_module #{file}", *lines, ""].join("\n")
  end

  # Nil if no answer arrives.
  def status_of(raw)
    raw.response.status
  rescue EOFError, Errno::ECONNRESET
    nil
  end
end
