# frozen_string_literal: true

# Debian's Redmine, a large application of Rails, under the directives of its package.
class RedmineTracker < Application
  title "Redmine"
  debian "redmine", "redmine-sqlite"
  build "./build.sh"
  directives do |folder|
    "RailsEnv production\nSetEnv REDMINE_INSTANCE default\n" \
    "PassengerAppGroupName redmine_default\n" \
    "Alias /redmine #{folder}/public\n<Location /redmine>\nPassengerBaseURI /redmine\n" \
    "PassengerAppRoot #{folder}\nPassengerAppGroupName redmine_below\n" \
    "SetEnv RAILS_RELATIVE_URL_ROOT /redmine\n</Location>\n"
  end

  PASSWORD = "a-new-password"

  def administrator
    browser(tls: true).tap do |user|
      fields = { "username" => "admin", "password" => PASSWORD }
      assert_status 302, user.submit("/login", fields)
    end
  end

  def token(user, page)
    user.hidden(user.get(page).body).slice("authenticity_token")
  end

  check "the administrator logs in, and must choose a password" do
    user = browser(tls: true)
    answer = user.submit("/login", "username" => "admin", "password" => "admin")
    assert_equal 302, answer.code.to_i
    assert_match %r{\Ahttps://app\.test:\d+/my/password}, user.get("/my/page")["Location"]
    fields = { "password" => "admin", "new_password" => PASSWORD,
               "new_password_confirmation" => PASSWORD }
    assert_status 302, user.submit("/my/password", fields)
  end

  check "a project and an issue with a file are made" do
    user = administrator
    project = { "project[name]" => "Tea", "project[identifier]" => "tea",
                "project[tracker_ids][]" => "1",
                "project[enabled_module_names][]" => "issue_tracking" }
    assert_status 302, user.post("/projects", project.merge(token(user, "/projects/new")))
    parts = [["issue[tracker_id]", "1"], ["issue[subject]", "Zoë's cup"],
             ["issue[status_id]", "1"], ["issue[priority_id]", "2"],
             ["attachments[1][file]", "x" * 500_000, { filename: "cup.bin" }],
             *token(user, "/projects/tea/issues/new")]
    answer = assert_status(302, user.post_parts("/projects/tea/issues", parts))
    assert_includes user.follow(answer).body.force_encoding("UTF-8"), "cup.bin"
  end

  check "a file is downloaded" do
    answer = assert_status(200, administrator.get("/attachments/download/1/cup.bin"))
    assert_equal 500_000, answer.body.bytesize
  end

  check "issues are found, and exported as CSV and PDF" do
    user = administrator
    assert_includes user.get("/search?q=cup").body.force_encoding("UTF-8"), "Zoë"
    assert_includes user.get("/projects/tea/issues.csv").body, "cup"
    assert_equal "%PDF", user.get("/issues/1.pdf").body.b[0, 4]
  end

  check "the site below a URL of its own has its links there" do
    page = assert_status(200, browser.get("/redmine/login")).body
    style = page[%r{href="(/redmine/stylesheets/application\.css[^"]*)"}, 1]
    assert_equal "text/css", assert_status(200, browser.get(style))["Content-Type"]
    answer = browser.submit("/redmine/login", "username" => "admin", "password" => "wrong")
    assert_includes answer.body, "Invalid user or password"
    assert_match %r{/redmine/login}, browser.get("/redmine/my/page")["Location"]
  end

  check "files of public come from httpd" do
    assert assert_status(200, browser.get("/stylesheets/application.css"))["ETag"]
  end
end
