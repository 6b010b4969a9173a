#include "exchange/FairShare.h"

#include <cppunit/TestFixture.h>
#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <limits>
#include <vector>

namespace Passenger {

/** The places that keys get which want all of them, in turn. */
class FairShareTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(FairShareTest);
    CPPUNIT_TEST(testAKeyWithOneRequestGetsTheLastPlace);
    CPPUNIT_TEST(testOneKeyAloneGetsHalfOfThePlaces);
    CPPUNIT_TEST(testSeveralGreedyKeysGetTheSame);
    CPPUNIT_TEST(testOneGreedyKeyAmongFiftyLeavesThemTheirPlaces);
    CPPUNIT_TEST(testAKeyThatCameFirstGivesItsPlacesUpToOthersAsTheyEnd);
    CPPUNIT_TEST(testWithoutALimitAKeyGetsWhatItWants);
    CPPUNIT_TEST_SUITE_END();

    static constexpr unsigned PLACES = 100;

    std::vector<unsigned> held_;

    unsigned taken() const {
        unsigned sum = 0;
        for (const unsigned each : held_) {
            sum += each;
        }
        return sum;
    }
    bool ask(std::size_t key) {
        const unsigned now = taken() + 1;
        if (now > PLACES || !isFair(held_[key] + 1, PLACES - now)) {
            return false;
        }
        held_[key]++;
        return true;
    }
    /** Each asks in turn, until none gets any more. */
    void askForAll(std::size_t keys) {
        held_.resize(std::max(held_.size(), keys));
        bool any = true;
        while (any) {
            any = false;
            for (std::size_t key = 0; key < keys; key++) {
                any = ask(key) || any;
            }
        }
    }

public:
    void setUp() override { held_.clear(); }

    void testAKeyWithOneRequestGetsTheLastPlace() {
        CPPUNIT_ASSERT(isFair(1, 0));
        CPPUNIT_ASSERT(!isFair(2, 0));
    }

    void testOneKeyAloneGetsHalfOfThePlaces() {
        askForAll(1);
        CPPUNIT_ASSERT_EQUAL(PLACES / 2, held_[0]);
    }

    void testSeveralGreedyKeysGetTheSame() {
        for (const std::size_t keys : {2U, 3U, 9U}) {
            held_.clear();
            askForAll(keys);
            const auto [least, most] = std::minmax_element(held_.begin(), held_.end());
            CPPUNIT_ASSERT(*most - *least <= 1);
            CPPUNIT_ASSERT(*least + 1 >= PLACES / (keys + 1) && *most <= PLACES / (keys + 1) + 1);
        }
    }

    void testOneGreedyKeyAmongFiftyLeavesThemTheirPlaces() {
        held_.resize(50);
        askForAll(1);
        for (std::size_t key = 1; key < 50; key++) {
            CPPUNIT_ASSERT(ask(key));
            CPPUNIT_ASSERT(!ask(0));
        }
    }

    void testAKeyThatCameFirstGivesItsPlacesUpToOthersAsTheyEnd() {
        askForAll(1);
        askForAll(2);
        CPPUNIT_ASSERT_EQUAL(PLACES / 4, held_[1]);
        while (held_[0] > held_[1] + 1) {
            held_[0]--;
            askForAll(2);
        }
        CPPUNIT_ASSERT(held_[1] + 1 >= PLACES / 3);
    }

    void testWithoutALimitAKeyGetsWhatItWants() {
        CPPUNIT_ASSERT(isFair(1'000'000, std::numeric_limits<unsigned>::max()));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(FairShareTest);

}  // namespace Passenger
