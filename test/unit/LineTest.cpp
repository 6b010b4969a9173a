#include "pool/Line.h"

#include <cppunit/extensions/HelperMacros.h>
#include <unistd.h>

#include "support/LeakCheck.h"

namespace Passenger {

class LineTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(LineTest);
    CPPUNIT_TEST(testInstancesGetCellsOfTheirOwn);
    CPPUNIT_TEST(testFreedCellsAreGivenOutAgainWithoutTheirClaims);
    CPPUNIT_TEST(testCellsComeInARow);
    CPPUNIT_TEST(testThereAreNoMoreThanThat);
    CPPUNIT_TEST_SUITE_END();

    EventLoop loop_;
    ChannelRegistry channels_{loop_};
    NoDeposits deposits_;

public:
    void testInstancesGetCellsOfTheirOwn() {
        Line line(0, "blog", channels_, deposits_);
        CPPUNIT_ASSERT_EQUAL(0U, line.allocate(3)->first);
        CPPUNIT_ASSERT_EQUAL(3U, line.allocate(1)->first);
    }

    void testFreedCellsAreGivenOutAgainWithoutTheirClaims() {
        Line line(0, "blog", channels_, deposits_);
        const auto cells = line.allocate(2);
        const ClaimCell claim{7, 9};
        CPPUNIT_ASSERT(
            ::pwrite(line.claims().memory().descriptor().get(), &claim, sizeof(claim), ClaimsLayout::offset(1)) > 0);
        line.free(*cells);
        CPPUNIT_ASSERT_EQUAL(0U, line.claims().taken());
        CPPUNIT_ASSERT_EQUAL(0U, line.allocate(2)->first);
    }

    void testCellsComeInARow() {
        Line line(0, "blog", channels_, deposits_);
        const auto first = line.allocate(2);
        line.allocate(1);
        line.free(*first);
        CPPUNIT_ASSERT_EQUAL(3U, line.allocate(3)->first);
        CPPUNIT_ASSERT_EQUAL(0U, line.allocate(2)->first);
    }

    void testThereAreNoMoreThanThat() {
        Line line(0, "blog", channels_, deposits_);
        CPPUNIT_ASSERT(line.allocate(ClaimsLayout::CELLS));
        CPPUNIT_ASSERT(!line.allocate(1));
        Line other(1, "shop", channels_, deposits_);
        CPPUNIT_ASSERT(!other.allocate(ClaimsLayout::CELLS + 1));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(LineTest);

}  // namespace Passenger
