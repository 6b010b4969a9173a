#include "apache2/response/CachePolicy.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>

namespace Passenger {

class CachePolicyTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(CachePolicyTest);
    CPPUNIT_TEST(testOnlyAnswersWithALifetimeAreKept);
    CPPUNIT_TEST(testTheLifetimeForSharedCachesTakesPrecedence);
    CPPUNIT_TEST(testAnAnswerForOneClientIsNotKept);
    CPPUNIT_TEST(testAnAnswerThatForbidsCachingIsNotKept);
    CPPUNIT_TEST(testAnAnswerWithAMalformedLifetimeIsNotKept);
    CPPUNIT_TEST(testTheStricterOfTwoDirectivesHolds);
    CPPUNIT_TEST(testExpiresIsMeasuredFromTheAnswersDateIfThatIsYetToCome);
    CPPUNIT_TEST(testOnlyWholeAnswersAreKept);
    CPPUNIT_TEST(testTheLifetimeIsLimited);
    CPPUNIT_TEST(testDatesAreParsed);
    CPPUNIT_TEST_SUITE_END();

    static constexpr std::time_t NOW = 784'111'777;  // Sun, 06 Nov 1994 08:49:37 GMT
    static constexpr long NOT = -1;

public:
    void testOnlyAnswersWithALifetimeAreKept() {
        CPPUNIT_ASSERT_EQUAL(60L, freshFor("Cache-Control: max-age=60\r\n"));
        CPPUNIT_ASSERT_EQUAL(60L, freshFor("cache-control: PUBLIC , Max-Age=60,must-revalidate\r\n"));
        CPPUNIT_ASSERT_EQUAL(NOT, freshFor(""));
        CPPUNIT_ASSERT_EQUAL(NOT, freshFor("Cache-Control: public\r\n"));
        CPPUNIT_ASSERT_EQUAL(NOT, freshFor("Last-Modified: Sun, 06 Nov 1994 08:00:00 GMT\r\nETag: \"x\"\r\n"));
        CPPUNIT_ASSERT_EQUAL(NOT, freshFor("Cache-Control: max-age=0\r\n"));
    }

    void testTheLifetimeForSharedCachesTakesPrecedence() {
        CPPUNIT_ASSERT_EQUAL(5L, freshFor("Cache-Control: max-age=60, s-maxage=5\r\n"));
        CPPUNIT_ASSERT_EQUAL(NOT, freshFor("Cache-Control: s-maxage=0, max-age=60\r\n"));
        CPPUNIT_ASSERT_EQUAL(60L, freshFor("Expires: Sun, 06 Nov 1994 08:49:38 GMT\r\nCache-Control: max-age=60\r\n"));
    }

    void testAnAnswerForOneClientIsNotKept() {
        for (const char *header :
             {"Set-Cookie: a=b", "set-cookie: ", "Vary: Accept", "Vary: *", "WWW-Authenticate: Basic", "X-Sendfile: /x",
              "X-Accel-Redirect: /x", "Age: 1", "Pragma: no-cache"}) {
            CPPUNIT_ASSERT_EQUAL(NOT, freshFor("Cache-Control: public, max-age=60\r\n" + std::string(header) + "\r\n"));
        }
    }

    void testAnAnswerThatForbidsCachingIsNotKept() {
        for (const char *directive :
             {"private", "no-store", "no-cache", "PRIVATE", "private=\"x-a, x-b\"", "no-cache=x"}) {
            CPPUNIT_ASSERT_EQUAL(NOT, freshFor("Cache-Control: max-age=60, " + std::string(directive) + "\r\n"));
            CPPUNIT_ASSERT_EQUAL(
                NOT, freshFor("Cache-Control: max-age=60\r\nCache-Control: " + std::string(directive) + "\r\n"));
        }
    }

    void testAnAnswerWithAMalformedLifetimeIsNotKept() {
        for (const char *value : {"max-age", "max-age=", "max-age=x", "max-age=-1", "max-age=\"60\"", "max-age=60s",
                                  "max-age=99999999999999999999"}) {
            CPPUNIT_ASSERT_EQUAL(NOT, freshFor("Cache-Control: " + std::string(value) + "\r\n"));
        }
        CPPUNIT_ASSERT_EQUAL(NOT, freshFor("Expires: 0\r\n"));
        CPPUNIT_ASSERT_EQUAL(NOT, freshFor("Expires: Sun, 06 Nov 1994 09:49:37 GMT\r\nDate: now\r\n"));
    }

    void testTheStricterOfTwoDirectivesHolds() {
        CPPUNIT_ASSERT_EQUAL(5L, freshFor("Cache-Control: max-age=60\r\nCache-Control: max-age=5\r\n"));
        CPPUNIT_ASSERT_EQUAL(NOT, freshFor("Cache-Control: max-age=60, max-age=x\r\n"));
        CPPUNIT_ASSERT_EQUAL(NOT, freshFor("Expires: Sun, 06 Nov 1994 09:49:37 GMT\r\nExpires: 0\r\n"));
    }

    void testExpiresIsMeasuredFromTheAnswersDateIfThatIsYetToCome() {
        CPPUNIT_ASSERT_EQUAL(10L, freshFor("Expires: Sun, 06 Nov 1994 08:49:47 GMT\r\n"));
        CPPUNIT_ASSERT_EQUAL(
            20L, freshFor("Expires: Sun, 06 Nov 1994 09:00:20 GMT\r\nDate: Sun, 06 Nov 1994 09:00:00 GMT\r\n"));
        CPPUNIT_ASSERT_EQUAL(
            10L, freshFor("Expires: Sun, 06 Nov 1994 08:49:47 GMT\r\nDate: Sun, 06 Nov 1994 08:49:00 GMT\r\n"));
        CPPUNIT_ASSERT_EQUAL(
            NOT, freshFor("Expires: Sun, 06 Nov 1994 08:49:37 GMT\r\nDate: Sun, 06 Nov 1994 08:49:00 GMT\r\n"));
        CPPUNIT_ASSERT_EQUAL(NOT, freshFor("Expires: Sun, 06 Nov 1994 08:49:37 GMT\r\n"));
    }

    void testOnlyWholeAnswersAreKept() {
        for (const int status : {200, 203, 204, 300, 301, 308, 404, 410}) {
            CPPUNIT_ASSERT_EQUAL(60L, freshFor("Cache-Control: max-age=60\r\n", status));
        }
        for (const int status : {201, 206, 302, 303, 304, 307, 400, 401, 403, 405, 500, 502, 503}) {
            CPPUNIT_ASSERT_EQUAL(NOT, freshFor("Cache-Control: max-age=60\r\n", status));
        }
        CPPUNIT_ASSERT_EQUAL(NOT, freshFor("Cache-Control: max-age=60\r\nConnection: close\r\n"));
    }

    void testTheLifetimeIsLimited() { CPPUNIT_ASSERT_EQUAL(3600L, freshFor("Cache-Control: max-age=31536000\r\n")); }

    void testDatesAreParsed() {
        CPPUNIT_ASSERT(CachePolicy::parseDate("Sun, 06 Nov 1994 08:49:37 GMT") == NOW);
        for (const char *text :
             {"", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "Sun, 06 nov 1994 08:49:37 GMT",
              "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 06 anF 1994 08:49:37 GMT",
              "Sun, 06 Nov 1994 08:49:+7 GMT"}) {
            CPPUNIT_ASSERT(!CachePolicy::parseDate(text));
        }
    }

private:
    /** Seconds, or NOT. */
    static long freshFor(const std::string &lines, int status = 200) {
        ResponseHead head;
        CPPUNIT_ASSERT(head.parse(lines) == nullptr);
        const auto fresh = CachePolicy::freshFor(status, head, NOW);
        return fresh ? static_cast<long>(fresh->count()) : NOT;
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(CachePolicyTest);

}  // namespace Passenger
