# frozen_string_literal: true

require_relative "support/integration_test"

# The headers of WSGI applications.
class WsgiHeadersTest < IntegrationTest
  APP = <<~PYTHON
    def application(environ, start_response):
        headers = [("Content-Type", "text/plain"), ("Content-Length", 2), ("X-Ratio", 0.5)]
        if environ["PATH_INFO"] == "/none":
            headers.append(("X-None", None))
        start_response("200 OK", headers)
        return [b"ok"]
  PYTHON

  serve do |made|
    made.site("numbers.test", SampleApps.written(APP, "passenger_wsgi.py"),
              "PassengerPython /usr/bin/python3\nPassengerMaxInstances 1\n")
  end

  def test_numbers_as_values_are_taken_with_one_warning
    2.times do
      answer = assert_status(200, client("numbers.test").get("/"))
      assert_equal ["ok", "2", "0.5"], [answer.body, answer["Content-Length"], answer["X-Ratio"]]
    end
    warning = /output: warning: the value of the header Content-Length is the number 2;/
    server.log.wait_for(warning)
    assert_status 500, client("numbers.test").get("/none")
    assert_equal 1, server.log.count(/output: warning: the value of the header /)
  end
end
