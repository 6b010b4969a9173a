# frozen_string_literal: true

require_relative "uploads_test"

# The same bodies, where the application reads them while they come.
class StreamedUploadsTest < UploadsTest
  serve do |made|
    made.main_directives << "LimitRequestFieldSize 200000\nPassengerBufferUpload off\n"
    made.site("rack.test", SampleApps.rack)
    made.site("rails.test", SampleApps.rails, "SetEnv SECRET_KEY_BASE #{SampleApps::SECRET}\n")
  end

  def test_a_broken_body_is_a_bad_request_and_the_application_sees_no_whole_one
    finished = File.join(scratch, "finished")
    # Who has ended its side counts as gone after a second, which a start may take.
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

  private

  # Nil where no answer comes.
  def status_of(raw)
    raw.response.status
  rescue EOFError, Errno::ECONNRESET
    nil
  end
end
