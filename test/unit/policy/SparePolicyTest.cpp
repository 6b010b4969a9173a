#include "policy/SparePolicy.h"

#include <cppunit/extensions/HelperMacros.h>

#include <random>

#include "support/Sanitizer.h"

namespace Passenger {

class SparePolicyTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(SparePolicyTest);
    CPPUNIT_TEST(testTheDefaultLimitsAreThoseOfTheDocument);
    CPPUNIT_TEST(testEachSituationHasItsDecision);
    CPPUNIT_TEST(testInconsistentLimitsAreCorrected);
    CPPUNIT_TEST(testTheLogNamesTheAttributeTheOldAndTheNewValue);
    CPPUNIT_TEST(testConsistentLimitsStayAndAreNotMentioned);
    CPPUNIT_TEST(testCorrectedLimitsAreAlwaysConsistent);
    CPPUNIT_TEST(testADecisionNeverBreaksALimit);
    CPPUNIT_TEST(testAfterADecisionThereIsNothingLeftToDo);
    CPPUNIT_TEST_SUITE_END();

    static constexpr int STATES = SANITIZED ? 2'000 : 20'000;

    std::mt19937 random_{4711};

    unsigned upTo(unsigned most) { return std::uniform_int_distribution<unsigned>(0, most)(random_); }

public:
    void testTheDefaultLimitsAreThoseOfTheDocument() { CPPUNIT_ASSERT((SpareLimits() == SpareLimits{5, 1, 2, 50})); }

    void testEachSituationHasItsDecision() {
        struct Case {
            const char *what;
            /** start, minSpare, maxSpare, maxClients */
            SpareLimits limits;
            /** free, busy, starting */
            SpareCounts counts;
            SpareDecision decision;
        };
        const Case cases[] = {
            {"none at all", {5, 1, 2, 50}, {0, 0, 0}, {5, 0}},
            {"none at all, and fewer may be", {5, 1, 2, 3}, {0, 0, 0}, {3, 0}},
            {"none at all, and few are spare", {1, 3, 4, 50}, {0, 0, 0}, {1, 0}},
            {"those on their way are not none", {5, 1, 2, 50}, {0, 0, 1}, {0, 0}},
            {"under the minimum", {5, 3, 4, 50}, {1, 7, 0}, {2, 0}},
            {"under the minimum, one is on its way", {5, 3, 4, 50}, {1, 7, 1}, {1, 0}},
            {"the minimum", {5, 1, 2, 50}, {1, 7, 0}, {0, 0}},
            {"the maximum", {5, 1, 2, 50}, {2, 7, 0}, {0, 0}},
            {"over the maximum", {5, 1, 2, 50}, {5, 0, 0}, {0, 3}},
            {"those on their way are not yet spare", {5, 1, 2, 50}, {2, 0, 5}, {0, 0}},
            {"all are busy", {5, 1, 2, 50}, {0, 5, 0}, {1, 0}},
            {"all are busy, and no more may be", {5, 1, 2, 5}, {0, 5, 0}, {0, 0}},
            {"room for fewer than are wanted", {5, 4, 4, 6}, {0, 4, 0}, {2, 0}},
            {"more than there may be", {5, 2, 3, 4}, {2, 4, 0}, {0, 2}},
            {"more than there may be, but all are busy", {5, 2, 3, 4}, {0, 6, 0}, {0, 0}},
            {"more on their way than there may be", {5, 1, 2, 3}, {1, 1, 3}, {0, 1}},
            {"no spare ones wanted", {5, 0, 0, 50}, {1, 3, 0}, {0, 1}},
            {"the wrong way round", {5, 3, 1, 50}, {3, 0, 0}, {0, 0}},
            {"nobody may be", {5, 1, 2, 0}, {0, 0, 0}, {0, 0}},
        };
        for (const Case &each : cases) {
            CPPUNIT_ASSERT_MESSAGE(each.what, decideSpares(each.limits, each.counts) == each.decision);
        }
    }

    void testInconsistentLimitsAreCorrected() {
        struct Case {
            const char *what;
            SpareLimits given;
            SpareLimits taken;
            std::size_t sentences;
        };
        const Case cases[] = {
            {"more to start than may be", {9, 1, 2, 3}, {3, 1, 2, 3}, 1},
            {"the maximum is less than the minimum", {5, 4, 2, 50}, {5, 4, 4, 50}, 1},
            {"no clients", {5, 1, 2, 0}, {1, 1, 1, 1}, 3},
            {"nobody to start with", {0, 1, 2, 50}, {1, 1, 2, 50}, 1},
            {"no spare ones", {5, 0, 0, 50}, {5, 1, 1, 50}, 2},
            {"more spare ones than may be", {5, 60, 70, 50}, {5, 50, 50, 50}, 2},
        };
        for (const Case &each : cases) {
            SpareLimits limits = each.given;
            const auto sentences = normalize(limits);
            CPPUNIT_ASSERT_MESSAGE(each.what, limits == each.taken);
            CPPUNIT_ASSERT_EQUAL_MESSAGE(each.what, each.sentences, sentences.size());
        }
    }

    void testTheLogNamesTheAttributeTheOldAndTheNewValue() {
        SpareLimits limits{9, 1, 2, 3};
        CPPUNIT_ASSERT_EQUAL(std::string("start_servers 9 is more than max_clients; 3 is used"),
                             normalize(limits).at(0));
    }

    void testConsistentLimitsStayAndAreNotMentioned() {
        SpareLimits limits;
        CPPUNIT_ASSERT(normalize(limits).empty());
        CPPUNIT_ASSERT(limits == SpareLimits());
    }

    void testCorrectedLimitsAreAlwaysConsistent() {
        for (int i = 0; i < STATES; i++) {
            SpareLimits limits{upTo(6), upTo(6), upTo(6), upTo(6)};
            normalize(limits);
            CPPUNIT_ASSERT(limits.start >= 1 && limits.start <= limits.maxClients);
            CPPUNIT_ASSERT(limits.minSpare >= 1 && limits.minSpare <= limits.maxSpare);
            CPPUNIT_ASSERT(limits.maxSpare <= limits.maxClients);
            CPPUNIT_ASSERT(normalize(limits).empty());
        }
    }

    void testADecisionNeverBreaksALimit() {
        for (int i = 0; i < 5 * STATES; i++) {
            const SpareLimits limits{upTo(9), upTo(9), upTo(9), upTo(9)};
            const SpareCounts counts{upTo(9), upTo(9), upTo(9)};
            const auto decision = decideSpares(limits, counts);
            const unsigned total = counts.free + counts.busy + counts.starting;
            CPPUNIT_ASSERT(decision.start == 0 || decision.stop == 0);
            CPPUNIT_ASSERT(decision.stop <= counts.free);
            CPPUNIT_ASSERT(decision.start == 0 || total + decision.start <= limits.maxClients);
            // The policy ends no worker that it would have to start again.
            CPPUNIT_ASSERT(decision.stop == 0 || counts.free - decision.stop >= limits.minSpare ||
                           total - decision.stop >= limits.maxClients);
        }
    }

    void testAfterADecisionThereIsNothingLeftToDo() {
        for (int i = 0; i < 5 * STATES; i++) {
            SpareLimits limits{upTo(9), upTo(9), upTo(9), upTo(9)};
            normalize(limits);
            SpareCounts counts{upTo(9), upTo(9), upTo(9)};
            const bool none = counts.free + counts.busy + counts.starting == 0;
            const auto decision = decideSpares(limits, counts);
            counts.starting += decision.start;
            counts.free -= decision.stop;
            const bool noneNow = counts.free + counts.busy + counts.starting == 0;
            // From no workers the goal takes two steps if more are to be spare than to start.
            CPPUNIT_ASSERT(none || noneNow || decideSpares(limits, counts) == SpareDecision());
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SparePolicyTest);

}  // namespace Passenger
