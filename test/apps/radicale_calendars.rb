# frozen_string_literal: true

# Radicale: calendars by WebDAV, with methods that browsers do not send.
class RadicaleCalendars < Application
  title "Radicale"
  debian "radicale"
  directives { "PassengerPython /usr/bin/python3\n" }

  EVENT = <<~ICS.gsub("\n", "\r\n")
    BEGIN:VCALENDAR
    VERSION:2.0
    PRODID:-//test
    BEGIN:VEVENT
    UID:one
    DTSTAMP:20260101T000000Z
    DTSTART:20260101T120000Z
    SUMMARY:Tea with Zoë
    END:VEVENT
    END:VCALENDAR
  ICS
  ADA = { "Authorization" => "Basic #{['ada:secret'].pack('m0')}" }.freeze

  def dav(method, path, body = "", headers = {})
    raw = server.raw(Browser::SITE)
    raw.request(method, path, ADA.merge("Content-Length" => body.bytesize.to_s, **headers))
    raw.write(body).response
  ensure
    raw&.close
  end

  check "a user without a password is asked for one" do
    answer = server.raw(Browser::SITE).get("/ada/")
    assert_equal [401, true], [answer.status, answer["WWW-Authenticate"].to_s.include?("Basic")]
  end

  check "a calendar is made" do
    assert_equal 201, dav("MKCALENDAR", "/ada/work/").status
    answer = dav("PROPFIND", "/ada/", "", "Depth" => "1")
    assert_equal [207, true], [answer.status, answer.body.include?("/ada/work/")]
  end

  check "an event is written, read and found" do
    assert_equal 201, dav("PUT", "/ada/work/one.ics", EVENT, "Content-Type" => "text/calendar")
      .status
    assert_includes dav("GET", "/ada/work/one.ics").body, "Zoë".b
    report = "<c:calendar-query xmlns:d='DAV:' xmlns:c='urn:ietf:params:xml:ns:caldav'><d:prop>" \
             "<c:calendar-data/></d:prop><c:filter><c:comp-filter name='VCALENDAR'/></c:filter>" \
             "</c:calendar-query>"
    answer = dav("REPORT", "/ada/work/", report, "Depth" => "1")
    assert_equal [207, true], [answer.status, answer.body.include?("Zoë".b)]
  end

  check "an event is moved and deleted" do
    place = { "Destination" => "http://app.test:#{server.port}/ada/work/two.ics" }
    assert_equal 201, dav("MOVE", "/ada/work/one.ics", "", place).status
    assert_equal 200, dav("DELETE", "/ada/work/two.ics").status
  end

  check "a name with a space is listed as it was given" do
    assert_equal 201, dav("PUT", "/ada/work/a%20b.ics", EVENT).status
    assert_includes dav("PROPFIND", "/ada/work/", "", "Depth" => "1").body, "/ada/work/a%20b.ics"
  end

  check "the page for browsers is there" do
    assert_includes assert_status(200, browser.get("/.web/")).body, "Radicale"
  end
end
