#include "control/StatusPage.h"

#include <cppunit/extensions/HelperMacros.h>

#include <utility>

#include "control/PublicStatus.h"
#include "support/HasText.h"
#include "support/SampleStatus.h"

namespace Passenger {

/** A person has to check the look in a browser. */
class StatusPageTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(StatusPageTest);
    CPPUNIT_TEST(testEachApplicationHasARow);
    CPPUNIT_TEST(testWaitsAreShownWhileNothingIsAnswered);
    CPPUNIT_TEST(testTheMemoryIsThatWhichTheBudgetLimits);
    CPPUNIT_TEST(testFailedApplicationsComeFirstWithTheirRemedy);
    CPPUNIT_TEST(testApplicationsThatAreDownComeLast);
    CPPUNIT_TEST(testThePageOfAnApplicationHasItsInstancesAndEvents);
    CPPUNIT_TEST(testAnUnknownApplicationIsSaid);
    CPPUNIT_TEST(testMarkupInAnyTextIsEscaped);
    CPPUNIT_TEST(testThePublicPageHasNoInsides);
    CPPUNIT_TEST(testThePageNeedsNoOtherFileAndNoScript);
    CPPUNIT_TEST(testAServerWithoutApplicationsHasAPage);
    CPPUNIT_TEST(testAThousandApplicationsHaveAPage);
    CPPUNIT_TEST_SUITE_END();

    static constexpr const char *HOSTILE = "<script>alert('1')</script>\"&";

    static std::string page(const ServerStatus &status, const std::string &app = "") {
        return StatusPage::render(status, {app, true, ""});
    }

public:
    void testEachApplicationHasARow() {
        const std::string html = page(sampleStatus({sampleApp("/srv/blog"), sampleApp("/srv/shop")}));
        for (const char *part :
             {"<a href=\"?app=/srv/blog%20%28production%29\">/srv/blog (production)</a>", "/srv/shop", ">up</span>",
              "<b>2</b> of 6", "2 of 8 busy", "200 MB", "<b>5</b> queue full", "7 starts, last 1.5 s",
              "<th>15 min<td>64 µs<td>2 ms<td>300 ms", "9000 in 24 h"}) {
            CPPUNIT_ASSERT_MESSAGE(part, hasText(html, part));
        }
    }

    void testWaitsAreShownWhileNothingIsAnswered() {
        AppStatus hung = sampleApp("/srv/blog");
        hung.windows = {{60, 0, {15, 20, 30}, {}}};
        CPPUNIT_ASSERT(hasText(page(sampleStatus({hung})), "<th>1 min<td>15 s<td>20 s<td>30 s"));
    }

    void testTheMemoryIsThatWhichTheBudgetLimits() {
        ServerStatus status = sampleStatus({sampleApp("/srv/blog")});
        CPPUNIT_ASSERT(hasText(page(status), "<b>200 MB</b><small>of instances"));
        status.memoryBudget = std::uint64_t{400} << 20;
        status.memoryUsed = std::uint64_t{300} << 20;
        CPPUNIT_ASSERT(hasText(page(status), "<b>300 MB</b><small>of 400 MB"));
    }

    void testFailedApplicationsComeFirstWithTheirRemedy() {
        AppStatus failed = sampleApp("/srv/zoo");
        failed.state = "failed";
        failed.crashLooping = true;
        failed.failure = FailureStatus{"00c0ffee", "no such gem", "Run bundle install.", 42};
        const std::string html = page(sampleStatus({sampleApp("/srv/blog"), failed}));
        const std::string rows = html.substr(html.find("<tbody>"));
        CPPUNIT_ASSERT(rows.find("/srv/zoo") < rows.find("/srv/blog"));
        for (const char *part : {"badge bad\">failed", "crash-looping", "no such gem", "Run bundle install.",
                                 "report <code>00c0ffee</code>, 42 s ago"}) {
            CPPUNIT_ASSERT_MESSAGE(part, hasText(rows, part));
        }
    }

    void testApplicationsThatAreDownComeLast() {
        AppStatus down = sampleApp("/srv/blog");
        down.state = "down";
        down.instances.clear();
        const std::string html = page(sampleStatus({down, sampleApp("/srv/shop")}));
        CPPUNIT_ASSERT(html.find("/srv/shop") < html.find("/srv/blog"));
    }

    void testThePageOfAnApplicationHasItsInstancesAndEvents() {
        AppStatus app = sampleApp("/srv/blog");
        app.instances[0].replacementReason = "it has served 1000 requests";
        const std::string html = page(sampleStatus({app, sampleApp("/srv/shop")}), app.name);
        for (const char *part : {"4711", "it has served 1000 requests", "2 h", "36 s, 0 %", "<td>617<td>4 s ago",
                                 "instance.started", "pid=4712 ms=1500", "5 min ago: restart.txt has changed",
                                 "2026-11-23 16:49:12 UTC", "All applications", "Service time", "<svg", "alice"}) {
            CPPUNIT_ASSERT_MESSAGE(part, hasText(html, part));
        }
        CPPUNIT_ASSERT(!hasText(html, "/srv/shop"));
    }

    void testAnUnknownApplicationIsSaid() {
        const ServerStatus status = sampleStatus({sampleApp("/srv/blog")});
        CPPUNIT_ASSERT(!StatusPage::has(status, {"nothing", true, ""}));
        CPPUNIT_ASSERT(StatusPage::has(status, {"/srv/blog (production)", true, ""}));
        CPPUNIT_ASSERT(hasText(page(status, HOSTILE), "There is no application &lt;script&gt;"));
    }

    void testMarkupInAnyTextIsEscaped() {
        AppStatus app = sampleApp("/srv/blog");
        for (std::string *text :
             {&app.name, &app.root, &app.environment, &app.type, &app.user, &app.state, &app.instances[0].state,
              &app.instances[0].replacementReason, &app.events[0].name, &app.events[0].text}) {
            *text = HOSTILE;
        }
        app.failure = FailureStatus{HOSTILE, HOSTILE, HOSTILE, 1};
        app.crashLooping = true;
        ServerStatus status = sampleStatus({app});
        status.version = HOSTILE;
        for (const std::string &html : {page(status), page(status, HOSTILE), page(publicPart(status)),
                                        StatusPage::render(status, {HOSTILE, true, "x"})}) {
            CPPUNIT_ASSERT(!hasText(html, "<script>"));
            CPPUNIT_ASSERT(!hasText(html, "'1'"));
        }
    }

    void testThePublicPageHasNoInsides() {
        AppStatus app = sampleApp("/srv/blog");
        app.state = "failed";
        app.failure = FailureStatus{"00c0ffee", "no such gem", "Run bundle install.", 42};
        const ServerStatus status = publicPart(sampleStatus({app}));
        for (const std::string &name : {std::string(), status.apps[0].name}) {
            const std::string html = StatusPage::render(status, {name, false, ""});
            CPPUNIT_ASSERT(hasText(html, "PassengerStatusDetails"));
            CPPUNIT_ASSERT(hasText(html, "00c0ffee"));
            for (const char *part : {"/srv", "4711", "alice", "no such gem", "bundle", "instance.started"}) {
                CPPUNIT_ASSERT_MESSAGE(part, !hasText(html, part));
            }
        }
    }

    void testThePageNeedsNoOtherFileAndNoScript() {
        const ServerStatus status = sampleStatus({sampleApp("/srv/blog")});
        const std::string html = page(status) + page(status, "/srv/blog (production)");
        for (const char *reference : {"src=", "url(", "@import", "http:", "https:", "<script", "<link"}) {
            CPPUNIT_ASSERT_MESSAGE(reference, !hasText(html, reference));
        }
        CPPUNIT_ASSERT(hasText(StatusPage::render(status, {"", true, "abc"}), "<script nonce=\"abc\">"));
    }

    void testAServerWithoutApplicationsHasAPage() {
        CPPUNIT_ASSERT(hasText(page(sampleStatus({})), "No application was requested yet."));
        CPPUNIT_ASSERT(hasText(page(sampleStatus({AppStatus()})), "</html>"));
        CPPUNIT_ASSERT(hasText(page(ServerStatus()), "</html>"));
    }

    void testAThousandApplicationsHaveAPage() {
        std::vector<AppStatus> apps;
        apps.reserve(1000);
        for (int i = 0; i < 1000; i++) {
            apps.push_back(sampleApp("/srv/app" + std::to_string(i)));
        }
        const std::string html = page(sampleStatus(std::move(apps)));
        CPPUNIT_ASSERT(hasText(html, ">/srv/app999 (production)</a>"));
        CPPUNIT_ASSERT(html.size() < 4'000'000);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(StatusPageTest);

}  // namespace Passenger
