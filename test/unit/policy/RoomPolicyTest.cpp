#include "policy/RoomPolicy.h"

#include <cppunit/extensions/HelperMacros.h>

namespace Passenger {

using namespace std::chrono_literals;

class RoomPolicyTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(RoomPolicyTest);
    CPPUNIT_TEST(testTheRulesChooseTheGroupThatGivesUpAnInstance);
    CPPUNIT_TEST_SUITE_END();

    static constexpr MonotonicTime NOW{1h};
    static constexpr std::size_t NOBODY = SIZE_MAX;

    static MonotonicTime ago(std::chrono::nanoseconds time) { return NOW - time; }
    static RoomCandidate idle(unsigned serving, unsigned minInstances, std::chrono::nanoseconds needed) {
        RoomCandidate candidate;
        candidate.serving = serving;
        candidate.minInstances = minInstances;
        candidate.idle = true;
        candidate.lastNeeded = ago(needed);
        return candidate;
    }
    /** @param waiter since when the oldest request waits; zero: none waits */
    static RoomCandidate busy(unsigned serving, std::chrono::nanoseconds waiter, std::chrono::nanoseconds since) {
        RoomCandidate candidate;
        candidate.serving = serving;
        if (waiter != 0ns) {
            candidate.oldestWaiter = ago(waiter);
        }
        candidate.servingSince = ago(since);
        return candidate;
    }
    /** Its own requests wait for those that only wait. */
    static RoomCandidate waiting(unsigned serving) {
        RoomCandidate candidate = busy(serving, 3s, 9s);
        candidate.onlyWaits = true;
        return candidate;
    }
    static RoomCandidate irreplaceable(RoomCandidate candidate) {
        candidate.irreplaceable = true;
        return candidate;
    }
    /** One instance is idle, though requests wait. */
    static RoomCandidate torn(unsigned serving) {
        RoomCandidate candidate = busy(serving, 3s, 9s);
        candidate.idle = true;
        return candidate;
    }

public:
    void testTheRulesChooseTheGroupThatGivesUpAnInstance() {
        struct Case {
            const char *what;
            RoomRequest request;
            std::vector<RoomCandidate> candidates;
            std::size_t victim;
        };
        const RoomRequest first{.serving = 0, .minInstances = 0, .oldestWaiter = ago(2s)};
        RoomRequest soon = first;
        soon.onlyIdle = true;
        RoomRequest late = soon;
        late.oldestWaiter = ago(3s);
        const RoomRequest another{.serving = 1, .minInstances = 0, .oldestWaiter = ago(2s)};
        const RoomRequest reserve{.serving = 1, .minInstances = 2, .oldestWaiter = std::nullopt};
        const RoomRequest moreReserve{.serving = 2, .minInstances = 2, .oldestWaiter = std::nullopt};
        const Case cases[] = {
            {"nobody is there", first, {}, NOBODY},
            {"an idle one over its minimum", first, {idle(1, 0, 5s)}, 0},
            {"for an instance in reserve, too", reserve, {idle(2, 1, 5s)}, 0},
            {"not for a reserve over its own minimum", moreReserve, {idle(9, 0, 5s)}, NOBODY},
            {"the one needed least of late", first, {idle(2, 1, 5s), idle(2, 1, 9s), idle(2, 1, 7s)}, 1},
            {"over the minimum comes before needed least", first, {idle(1, 1, 9s), idle(2, 1, 5s)}, 1},
            {"idle comes before busy", first, {busy(9, 0s, 9s), idle(1, 0, 1s)}, 1},
            {"idle at its minimum, for who has none", first, {idle(1, 1, 5s), idle(2, 2, 9s)}, 1},
            {"idle at its minimum, not for who has one", another, {idle(1, 1, 5s)}, NOBODY},
            {"idle at its minimum, not for a reserve", reserve, {idle(1, 1, 5s)}, NOBODY},
            {"idle, but its own requests wait", first, {torn(3)}, 0},
            {"idle, its own wait, and it has no more than its share", another, {torn(2)}, NOBODY},
            {"busy without anybody waiting, for who has none", first, {busy(1, 0s, 9s)}, 0},
            {"an idle one that ends at once", soon, {busy(9, 0s, 9s), idle(1, 1, 1s)}, 1},
            {"a busy one does not end at once", soon, {busy(9, 0s, 9s), waiting(4)}, NOBODY},
            {"idle, and another one can be replaced", first, {irreplaceable(idle(1, 0, 9s)), idle(1, 1, 5s)}, 1},
            {"idle, and a busy one can be replaced", first, {irreplaceable(idle(1, 0, 9s)), busy(1, 0s, 9s)}, 1},
            {"irreplaceable, and there is no other", first, {irreplaceable(idle(1, 1, 9s)), busy(1, 3s, 9s)}, 0},
            {"irreplaceable, and a busy one is to end", soon, {irreplaceable(idle(1, 0, 9s))}, NOBODY},
            {"irreplaceable, and a busy one does not end", late, {irreplaceable(idle(1, 0, 9s))}, 0},
            {"irreplaceable, and can be replaced", late, {irreplaceable(idle(1, 0, 9s)), idle(1, 0, 1s)}, 1},
            {"irreplaceable and busy", late, {irreplaceable(busy(9, 0s, 9s))}, NOBODY},
            {"irreplaceable, for an instance in reserve", reserve, {irreplaceable(idle(1, 0, 9s))}, NOBODY},
            {"busy, and its requests are younger", first, {busy(1, 1s, 9s)}, 0},
            {"busy, and its requests are older", first, {busy(1, 3s, 9s)}, NOBODY},
            {"its requests are older, but it only waits", first, {waiting(1)}, 0},
            {"it only waits, not for an application with an instance", another, {waiting(2)}, NOBODY},
            {"busy, as old", first, {busy(1, 2s, 9s)}, NOBODY},
            {"busy, older, but it has two more", first, {busy(2, 3s, 9s)}, 0},
            {"it has two more than one", another, {busy(3, 3s, 9s)}, 0},
            {"it has one more than one", another, {busy(2, 1s, 9s)}, NOBODY},
            {"who has most comes first", first, {busy(2, 0s, 9s), busy(3, 0s, 5s), busy(2, 0s, 9s)}, 1},
            {"of as many, the one that served longest", first, {busy(2, 0s, 5s), busy(2, 0s, 9s)}, 1},
            {"it serves for a moment first", first, {busy(3, 0s, 999ms)}, NOBODY},
            {"the moment is over", first, {busy(3, 0s, 1s)}, 0},
            {"no busy one for an instance in reserve", reserve, {busy(9, 0s, 9s)}, NOBODY},
            {"nothing to take", first, {busy(0, 0s, 9s)}, NOBODY},
        };
        for (const Case &each : cases) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(each.what, each.victim,
                                         chooseVictim(each.request, each.candidates, NOW).value_or(NOBODY));
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(RoomPolicyTest);

}  // namespace Passenger
