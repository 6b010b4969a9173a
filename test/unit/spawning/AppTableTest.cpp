#include "spawning/AppTable.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>

#include "rights/RunAs.h"

namespace Passenger {

class AppTableTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(AppTableTest);
    CPPUNIT_TEST(testTheLastValueCounts);
    CPPUNIT_TEST(testAnApplicationThatIsUnknownTwiceIsForgotten);
    CPPUNIT_TEST_SUITE_END();

public:
    void testTheLastValueCounts() {
        CPPUNIT_ASSERT(!users_.of("a"));
        users_.set("a", {.user = "alice", .group = "", .uid = 1, .gid = 1, .note = ""});
        users_.set("a", {.user = "bob", .group = "", .uid = 2, .gid = 2, .note = ""});
        CPPUNIT_ASSERT_EQUAL(std::string("bob"), users_.of("a")->user);
    }

    void testAnApplicationThatIsUnknownTwiceIsForgotten() {
        const auto unknown = [](const std::string &) { return false; };
        users_.set("a", {});
        users_.keep(unknown);
        CPPUNIT_ASSERT(users_.of("a"));
        users_.keep([](const std::string &) { return true; });
        users_.keep(unknown);
        CPPUNIT_ASSERT(users_.of("a"));
        users_.keep(unknown);
        CPPUNIT_ASSERT(!users_.of("a"));
    }

private:
    AppTable<RunAs> users_{Locks::APP_USERS};
};

CPPUNIT_TEST_SUITE_REGISTRATION(AppTableTest);

}  // namespace Passenger
