#include "rights/GrantsInForce.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>

namespace Passenger {

using namespace std::chrono_literals;

class GrantsInForceTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(GrantsInForceTest);
    CPPUNIT_TEST(testEarlierGrantsCountForAWhile);
    CPPUNIT_TEST(testAnApplicationIsRemovedIfOnlyTheEarlierConfigurationHasItsName);
    CPPUNIT_TEST(testAnObjectWithoutGrantsTakesTheEarlierOnesThatAreNamed);
    CPPUNIT_TEST(testTheEarlierGrantsThatAreNamedTakeThePlaceOfThePresentOnes);
    CPPUNIT_TEST(testTheEarlierGrantsMayChangeAlone);
    CPPUNIT_TEST_SUITE_END();

    using Now = GrantsInForce::Now;

    const Now start_ = std::chrono::steady_clock::now();
    GrantsInForce grants_;

    static std::string of(const std::string &user) {
        return "server\nserver\nuser " + user + "\ndocument_root /srv/" + user + "/public\n";
    }
    static Options optionsOf(const std::string &user) {
        Options options;
        options.appRoot = "/srv/" + user;
        options.user = user;
        options.ruby = "";
        return options;
    }
    bool grants(const std::string &user, Now now) const { return !grants_.refusal(optionsOf(user), now); }

public:
    void testEarlierGrantsCountForAWhile() {
        grants_.use(of("alice"), start_);
        grants_.use(of("bob"), start_ + 1h);
        grants_.use(of("bob"), start_ + 2h);
        const auto last = start_ + 1h + GrantsInForce::EARLIER_COUNT_FOR;
        const Options alices = optionsOf("alice");
        CPPUNIT_ASSERT(!grants_.forOptions(alices, last - 1s)->refusal(alices));
        CPPUNIT_ASSERT(grants_.forOptions(alices, last)->refusal(alices).has_value());
    }

    void testAnApplicationIsRemovedIfOnlyTheEarlierConfigurationHasItsName() {
        const auto last = start_ + GrantsInForce::EARLIER_COUNT_FOR;
        grants_.use(of("alice") + "server\nuser bob\ndocument_root /srv/bob/public\n", start_);
        CPPUNIT_ASSERT_MESSAGE("there was none before", !grants_.isRemoved(optionsOf("carol"), start_));
        grants_.use(of("bob"), start_);
        CPPUNIT_ASSERT(grants_.isRemoved(optionsOf("alice"), last - 1s));
        CPPUNIT_ASSERT(!grants_.isRemoved(optionsOf("alice"), last));
        CPPUNIT_ASSERT(!grants_.isRemoved(optionsOf("bob"), start_));
        CPPUNIT_ASSERT_MESSAGE("no configuration tells how it is found",
                               !grants_.isRemoved(optionsOf("carol"), start_));
    }

    void testAnObjectWithoutGrantsTakesTheEarlierOnesThatAreNamed() {
        grants_.use(of("bob"), start_, of("alice"));
        CPPUNIT_ASSERT(grants("alice", start_));
        CPPUNIT_ASSERT(!grants("alice", start_ + GrantsInForce::EARLIER_COUNT_FOR));
    }

    /** Of two reloads in a row the first did not reach this process. */
    void testTheEarlierGrantsThatAreNamedTakeThePlaceOfThePresentOnes() {
        grants_.use(of("alice"), start_);
        grants_.use(of("carol"), start_, of("bob"));
        CPPUNIT_ASSERT(grants("bob", start_));
        CPPUNIT_ASSERT(!grants("alice", start_));
    }

    void testTheEarlierGrantsMayChangeAlone() {
        grants_.use(of("alice"), start_);
        grants_.use(of("alice"), start_, of("bob"));
        CPPUNIT_ASSERT(grants("bob", start_));
        CPPUNIT_ASSERT(grants("alice", start_));
        grants_.use(of("alice"), start_ + 1h, of("bob"));
        CPPUNIT_ASSERT_MESSAGE("nothing has changed", !grants("bob", start_ + 1h));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(GrantsInForceTest);

}  // namespace Passenger
