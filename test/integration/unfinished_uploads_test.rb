# frozen_string_literal: true

require_relative "support/integration_test"

# Uploads that a client sends slowly, or does not finish, while the application reads them
# (PassengerBufferUpload off).
class UnfinishedUploadsTest < IntegrationTest
  LIMIT = 1
  # Above httpd's own patience, which ends such requests in another way.
  PATIENT = 300

  serve do |made|
    made.main_directives << "PassengerBufferUpload off\nTimeout #{PATIENT}\n"
    root = SampleApps.rack
    made.site("rack.test", root, "PassengerMaxInstances 1\n")
    made.site("limited.test", root, "PassengerAppGroupName limited\nPassengerMaxInstances 1\n" \
                                    "PassengerMaxRequestTime #{LIMIT}\n")
  end

  def test_the_pauses_of_a_client_are_not_the_time_of_the_application
    in_one_of(3) do
      pid = eventually("an instance") { client("limited.test").pid }
      # A small body is always buffered.
      raw = upload("limited.test", "/upload", 30_000)
      3.times do
        raw.write("x" * 10_000)
        sleep LIMIT + 1.3
      end
      assert_equal 200, raw.response.status
      assert_equal pid, client("limited.test").pid
    ensure
      raw&.close
    end
  end

  def test_an_application_that_does_not_read_is_given_up_although_its_client_pauses
    eventually("an instance") { client("limited.test").pid }
    # More than the channel holds.
    raw = upload("limited.test", "/slow?seconds=600", 3_000_000).write("x" * 2_000_000)
    assert_equal 504, raw.response.status
    server.log.wait_for(/event=instance\.hung/)
  ensure
    raw&.close
  end

  def test_a_client_that_sends_no_more_learns_that_the_instance_died
    pid = eventually("an instance") { client.pid }
    started = File.join(scratch, "started")
    raw = upload("rack.test", "/slow?seconds=600&started=#{started}", 1_000_000).write("x" * 10)
    eventually("the request runs") { File.exist?(started) }
    Process.kill(:KILL, pid)
    answer = raw.response
    assert_equal [502, "close"], [answer.status, answer["Connection"]]
  ensure
    raw&.close
  end

  def test_a_client_that_sends_no_more_gets_the_answer_of_an_application_that_reads_no_body
    eventually("an instance") { client.pid }
    ["/hello", "/download?bytes=100&length=no"].each do |path|
      raw = upload("rack.test", path, 1_000_000).write("x" * 10)
      assert_equal 200, raw.response.status, path
    ensure
      raw&.close
    end
  end

  private

  def upload(site, path, size)
    server.raw(site).request("POST", path, "Content-Length" => size)
  end
end
