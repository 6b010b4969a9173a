# frozen_string_literal: true

# A site of Django with its admin, users in SQLite, and static files that httpd serves.
class DjangoAdmin < Application
  PYTHON = "/usr/bin/python3"
  title "Django with admin"
  debian "python3-django"
  prepare [PYTHON, "manage.py", "migrate", "-v0"], [PYTHON, "manage.py", "collectstatic", "-v0"],
          ["env", "DJANGO_SUPERUSER_PASSWORD=secret", PYTHON, "manage.py", "createsuperuser", "-v0",
           "--noinput", "--username", "ada", "--email", "ada@app.test"]
  directives { "PassengerPython #{PYTHON}\n" }

  def logged_in(password = "secret")
    user = browser(tls: true)
    answer = user.submit("/admin/login/?next=/admin/", "username" => "ada", "password" => password)
    [user, answer]
  end

  check "an administrator logs in over TLS" do
    user, answer = logged_in
    assert_status 302, answer
    assert_includes assert_status(200, user.follow(answer)).body, "Site administration"
  end

  check "a wrong password is refused" do
    assert_includes assert_status(200, logged_in("wrong").last).body, "Please enter the correct"
  end

  check "an administrator adds a user, and finds them" do
    user, = logged_in
    answer = user.submit("/admin/auth/user/add/", "username" => "grace", "_save" => "Save",
                         "password1" => "aVeryLong1", "password2" => "aVeryLong1")
    assert_status 302, answer
    list = assert_status(200, user.get("/admin/auth/user/?q=grace&o=1.-2")).body
    assert_includes list, "grace"
  end

  check "a form without its token is refused" do
    assert_status 403, logged_in.first.post("/admin/auth/user/add/", "username" => "eve")
  end

  check "static files come from httpd" do
    answer = assert_status(200, browser.get("/static/admin/css/base.css"))
    assert_equal "text/css", answer["Content-Type"]
    assert answer["ETag"], "an ETag of httpd's"
  end

  check "URLs, scheme and address are the client's" do
    answer = browser(tls: true).json("/about/caf%C3%A9/?a=%26")
    port = server.configuration.tls_port
    assert_equal [true, "https://app.test:#{port}/about/caf%C3%A9/?a=%26", "127.0.0.1",
                  "/about/café/", "café"],
                 answer.values_at("secure", "url", "address", "path", "name")
  end

  check "a slash is appended by a redirect" do
    assert_match(%r{\A(http://app\.test:\d+)?/admin/\z}, browser.get("/admin")["Location"].to_s)
  end
end
