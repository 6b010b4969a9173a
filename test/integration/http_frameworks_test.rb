# frozen_string_literal: true

require_relative "support/integration_test"

# Express on Node and Flask on Python, found by their startup files or started by a command.
class HttpFrameworksTest < IntegrationTest
  PYTHON = "/usr/bin/python3"
  EXPRESS = system("NODE_PATH=/usr/share/nodejs node -e 'require(\"express\")' >/dev/null 2>&1")
  DJANGO = system("#{PYTHON} -c 'import django' >/dev/null 2>&1") &&
           system("django-admin --version >/dev/null 2>&1")
  FLASK = system("#{PYTHON} -c 'import flask' >/dev/null 2>&1")

  # Notes how many bytes of a body it has read.
  WSGI = <<~'PYTHON'
    import os

    def application(environ, start_response):
        if environ["REQUEST_METHOD"] == "POST":
            body = environ["wsgi.input"].read()
            with open(os.path.join(os.path.dirname(__file__), "note"), "a") as note:
                note.write("%d\n" % len(body))
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ["wsgi.url_scheme"].encode()]
  PYTHON

  # Answers with the largest number of simultaneous requests so far.
  COUNTING_WSGI = <<~'PYTHON'
    import threading, time

    lock = threading.Lock()
    now = most = 0

    def application(environ, start_response):
        global now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.1)
        with lock:
            now -= 1
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"%d %s" % (most, str(environ["wsgi.multithread"]).encode())]
  PYTHON

  serve do |made|
    made.set("PassengerMaxPoolSize", 8)
    if File.executable?(PYTHON)
      made.site("wsgi.test", SampleApps.written(WSGI, "passenger_wsgi.py"),
                "PassengerPython #{PYTHON}\n")
      made.site("counting_wsgi.test", SampleApps.written(COUNTING_WSGI, "passenger_wsgi.py"),
                "PassengerPython #{PYTHON}\nPassengerMaxInstances 1\n" \
                "PassengerForceMaxConcurrentRequestsPerProcess 4\n")
    end
    if EXPRESS
      path = "SetEnv NODE_PATH /usr/share/nodejs\n"
      made.site("express.test", SampleApps.copy("express_app"), "#{path}PassengerMaxInstances 1\n")
      made.site("express-command.test", SampleApps.copy("express_app"),
                "#{path}SetEnv OWN_PORT 1\nPassengerAppStartCommand \"exec node app.js\"\n")
    end
    if DJANGO
      folder = SampleApps.new_folder
      SampleApps.folders << folder
      system("django-admin", "startproject", "mysite", folder, exception: true)
      File.write("#{folder}/mysite/celery.py", "import celery_is_not_installed\n")
      TestEnvironment.hand_over(folder)
      made.site("django.localhost", folder, "PassengerPython #{PYTHON}\n")
      made.site("django-asgi.localhost", folder,
                "PassengerPython #{PYTHON}\nPassengerAppType asgi\n" \
                "PassengerAppGroupName django-asgi\n")
    end
    if FLASK
      made.site("flask.test", SampleApps.copy("flask_app"), "PassengerPython #{PYTHON}\n")
      made.site("flask-command.test", SampleApps.copy("flask_app"),
                "PassengerAppStartCommand \"#{PYTHON} -m flask --app passenger_wsgi run --port " \
                "$PORT\"\n")
    end
    made.site("rack.test", SampleApps.rack)
  end

  def express(name = "express.test")
    skip "there is no Express (Debian: node-express)" unless EXPRESS
    client(name)
  end

  def flask(name = "flask.test")
    skip "there is no Flask (Debian: python3-flask)" unless FLASK
    client(name)
  end

  # A new project has DEBUG, and allows hosts below localhost.
  def test_a_django_project_is_found_by_its_manage_py
    skip "there is no Django (Debian: python3-django)" unless DJANGO
    %w[django.localhost django-asgi.localhost].each do |site|
      answer = client(site).get("/admin/login/")
      assert_includes assert_status(200, answer).body, "Django site admin"
    end
  end

  def test_express_is_found_by_its_startup_file
    assert_equal "hello from Express", assert_status(200, express.get("/")).body
  end

  def test_express_is_started_by_a_command
    assert_equal "hello from Express",
                 assert_status(200, express("express-command.test").get("/")).body
  end

  def test_express_gets_the_request_as_the_client_sent_it
    answer = express.json("/client?a=b%20c")
    assert_equal ["/client?a=b%20c", "127.0.0.1"], answer.values_at("path", "ips")
  end

  def test_express_gets_bodies_with_and_without_a_length
    body = "x" * 1_000_000
    assert_equal body, express.post("/echo", body).body
    assert_equal body, express.post_stream("/echo", StringIO.new(body)).body
  end

  def test_one_process_of_node_answers_many_requests_at_once
    express.get("/")
    assert_seconds_below(2, "ten at once") do
      seconds do
        Array.new(10) { Thread.new { express.get("/slow").body } }
          .each { |thread| assert_equal "slept", thread.value }
      end
    end
  end

  def test_events_of_express_arrive_one_by_one
    # If this process stalls, the pieces arrive together.
    spans = Array.new(3) do
      times = []
      express.get_stream("/events") { times << Eventually.monotonic }
      times.last - times.first
    end
    assert_operator spans.max, :>, 0.15
  end

  def test_express_that_exits_is_started_again
    assert_status [502, 500], express("express-command.test").get("/crash")
    eventually("it is back") { express("express-command.test").get("/").code == "200" }
  end

  def test_flask_is_found_by_its_startup_file
    assert_equal "hello from Flask", assert_status(200, flask.get("/")).body
  end

  def test_flask_is_started_by_a_command
    assert_equal "hello from Flask", assert_status(200, flask("flask-command.test").get("/")).body
  end

  def test_flask_sees_the_client_and_the_path
    answer = flask.json("/client?a=b")
    assert_equal ["/client?a=b", "127.0.0.1"], answer.values_at("path", "address")
    assert_match(%r{\Ahttp://flask\.test:\d+/client\?a=b\z}, answer["url"])
  end

  def test_flask_gets_bodies_with_and_without_a_length
    body = "x" * 300_000
    assert_equal body, flask.post("/echo", body).body
    assert_equal body, flask.post_stream("/echo", StringIO.new(body)).body
  end

  def test_flask_answers_in_pieces
    assert_equal "piece 0\npiece 1\npiece 2\n", flask.get("/pieces").body
  end

  def wsgi
    skip "there is no #{PYTHON}" unless File.executable?(PYTHON)
    client("wsgi.test")
  end

  def test_a_body_that_is_broken_off_never_looks_whole_to_a_wsgi_application
    wsgi.post("/", "whole")
    raw = server.raw("wsgi.test").request("POST", "/",
                                          "Content-Length" => "300000").write("x" * 100_000)
    sleep 0.2
    raw.close
    wsgi.post("/", "again whole")
    root = server.configuration.sites.find { |site| site.name == "wsgi.test" }.root
    assert_equal %w[5 11], File.readlines(File.join(root, "note"), chomp: true)
  end

  def test_a_client_cannot_set_the_scheme_of_a_wsgi_application
    assert_equal "http", wsgi.get("/", "X-Forwarded-Proto" => "javascript").body
  end

  def test_a_wsgi_application_has_one_request_at_a_time_whatever_the_limit
    skip "there is no #{PYTHON}" unless File.executable?(PYTHON)
    answers = Array.new(4) { Thread.new { client("counting_wsgi.test").get("/").body } }
      .map(&:value)
    assert_equal ["1 False"], answers.uniq
  end

  def test_an_exception_in_flask_fails_its_own_request_only
    assert_status 500, flask.get("/raises")
    assert_status 200, flask.get("/")
  end
end
