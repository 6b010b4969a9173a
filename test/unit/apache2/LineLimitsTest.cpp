#include "apache2/response/LineLimits.h"

#include <cppunit/extensions/HelperMacros.h>

#include <chrono>
#include <string>

#include "base/LogLimit.h"
#include "support/ManualClock.h"

namespace Passenger {

class LineLimitsTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(LineLimitsTest);
    CPPUNIT_TEST(testTheLinesOfAKindAreLimited);
    CPPUNIT_TEST(testTheNextLineTellsHowManyWereLeftOut);
    CPPUNIT_TEST(testManyLinesOfOneStatusHideNoOtherStatus);
    CPPUNIT_TEST(testManyLinesOfOneEventHideNoOtherEvent);
    CPPUNIT_TEST(testManyLinesOfOneApplicationHideNoOtherApplication);
    CPPUNIT_TEST(testTheFirstLineOfAnyNumberOfKindsIsWritten);
    CPPUNIT_TEST(testKindsThatAreForgottenAreOldOnes);
    CPPUNIT_TEST_SUITE_END();

    static constexpr unsigned TOO_MANY = 3 * LogLimit::LINES;

    ManualClock clock_;
    LineLimits limits_{clock_};

    unsigned allowed(const std::string &app, const std::string &event, int status = 0) {
        unsigned count = 0;
        for (unsigned i = 0; i < TOO_MANY; ++i) {
            count += limits_.mayLog(app, event, status) ? 1 : 0;
        }
        return count;
    }

public:
    void testTheLinesOfAKindAreLimited() {
        CPPUNIT_ASSERT_EQUAL(LogLimit::LINES, allowed("blog", "request.failed", 502));
        clock_.advance(LogLimit::INTERVAL);
        CPPUNIT_ASSERT_EQUAL(LogLimit::LINES, allowed("blog", "request.failed", 502));
    }

    void testTheNextLineTellsHowManyWereLeftOut() {
        CPPUNIT_ASSERT_EQUAL(0U, limits_.mayLog("blog", "response.cut").value());
        allowed("blog", "response.cut");
        clock_.advance(LogLimit::INTERVAL);
        CPPUNIT_ASSERT_EQUAL(TOO_MANY - LogLimit::LINES + 1, limits_.mayLog("blog", "response.cut").value());
        CPPUNIT_ASSERT_EQUAL(0U, limits_.mayLog("blog", "response.cut").value());
    }

    void testManyLinesOfOneStatusHideNoOtherStatus() {
        allowed("blog", "request.refused", 500);
        CPPUNIT_ASSERT_EQUAL(0U, limits_.mayLog("blog", "request.refused", 504).value());
        CPPUNIT_ASSERT_EQUAL(LogLimit::LINES, allowed("blog", "request.refused", 503));
    }

    void testManyLinesOfOneEventHideNoOtherEvent() {
        allowed("blog", "request.refused", 504);
        CPPUNIT_ASSERT_EQUAL(0U, limits_.mayLog("blog", "request.failed", 504).value());
    }

    void testManyLinesOfOneApplicationHideNoOtherApplication() {
        allowed("blog", "request.failed", 502);
        CPPUNIT_ASSERT_EQUAL(0U, limits_.mayLog("shop", "request.failed", 502).value());
    }

    void testTheFirstLineOfAnyNumberOfKindsIsWritten() {
        for (int app = 0; app < 5'000; ++app) {
            const std::string name = std::to_string(app);
            CPPUNIT_ASSERT_EQUAL(0U, limits_.mayLog(name, "request.failed", 502).value());
            CPPUNIT_ASSERT_EQUAL(LogLimit::LINES - 1, allowed(name, "request.failed", 502));
        }
    }

    void testKindsThatAreForgottenAreOldOnes() {
        allowed("blog", "request.failed", 502);
        for (int app = 0; app < 5'000; ++app) {
            clock_.advance(std::chrono::milliseconds(1));
            limits_.mayLog(std::to_string(app), "request.failed", 502);
        }
        CPPUNIT_ASSERT(!limits_.mayLog("blog", "request.failed", 502));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(LineLimitsTest);

}  // namespace Passenger
