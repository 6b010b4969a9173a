#include "spawning/AppUsers.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>

namespace Passenger {

class AppUsersTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(AppUsersTest);
    CPPUNIT_TEST(testTheUserOfTheLastStartCounts);
    CPPUNIT_TEST(testAnApplicationThatIsUnknownTwiceIsForgotten);
    CPPUNIT_TEST_SUITE_END();

public:
    void testTheUserOfTheLastStartCounts() {
        CPPUNIT_ASSERT(!users_.of("a"));
        users_.note("a", {.user = "alice", .group = "", .uid = 1, .gid = 1, .note = ""});
        users_.note("a", {.user = "bob", .group = "", .uid = 2, .gid = 2, .note = ""});
        CPPUNIT_ASSERT_EQUAL(std::string("bob"), users_.of("a")->user);
    }

    void testAnApplicationThatIsUnknownTwiceIsForgotten() {
        const auto unknown = [](const std::string &) { return false; };
        users_.note("a", {});
        users_.keep(unknown);
        CPPUNIT_ASSERT(users_.of("a"));
        users_.keep([](const std::string &) { return true; });
        users_.keep(unknown);
        CPPUNIT_ASSERT(users_.of("a"));
        users_.keep(unknown);
        CPPUNIT_ASSERT(!users_.of("a"));
    }

private:
    AppUsers users_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(AppUsersTest);

}  // namespace Passenger
