#include "apache2/request/StickyCookie.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>

#include "exchange/QueueChoice.h"

namespace Passenger {

class StickyCookieTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(StickyCookieTest);
    CPPUNIT_TEST(testAnInstanceIsFoundAmongOtherCookies);
    CPPUNIT_TEST(testAMalformedCookieNamesNoInstance);
    CPPUNIT_TEST(testNoClientChoosesTheQueueOfHighPriority);
    CPPUNIT_TEST(testTheCookieIsForTheApplicationAndNotForScripts);
    CPPUNIT_TEST_SUITE_END();

public:
    void testAnInstanceIsFoundAmongOtherCookies() {
        for (const char *header : {"route=42", "a=1; route=42", "a=1;route=42; b=2", "a=1, route=42",
                                   "route=x; route=42", "xroute=1; route=42", " \troute=42"}) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(header, 42U, StickyCookie::instanceIn(header, "route"));
        }
        CPPUNIT_ASSERT_EQUAL(4294967294U, StickyCookie::instanceIn("route=4294967294", "route"));
    }

    void testAMalformedCookieNamesNoInstance() {
        for (const char *header : {"", ";", " ", "route", "route=", "route=0", "route=-1", "route=4294967296",
                                   "route=42x", "route= 42", "routes=42", "ROUTE=42", "a=route=42", ";;,,=;route"}) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(header, 0U, StickyCookie::instanceIn(header, "route"));
        }
    }

    void testNoClientChoosesTheQueueOfHighPriority() {
        const std::string header = "route=" + std::to_string(QueueChoice::ofHighPriority().number());
        CPPUNIT_ASSERT_EQUAL(0U, StickyCookie::instanceIn(header, "route"));
    }

    void testTheCookieIsForTheApplicationAndNotForScripts() {
        CPPUNIT_ASSERT_EQUAL(std::string("route=42; Path=/; HttpOnly; Secure"),
                             StickyCookie::make("route", 42, "", "Secure"));
        CPPUNIT_ASSERT_EQUAL(std::string("route=42; Path=/shop; HttpOnly"),
                             StickyCookie::make("route", 42, "/shop", ""));
        CPPUNIT_ASSERT_EQUAL(std::string("route=42; Path=/; HttpOnly"), StickyCookie::make("route", 42, "/a;b", ""));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(StickyCookieTest);

}  // namespace Passenger
