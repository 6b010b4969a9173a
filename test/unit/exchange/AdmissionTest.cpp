#include "exchange/Admission.h"

#include <cppunit/TestFixture.h>
#include <cppunit/extensions/HelperMacros.h>

#include <climits>
#include <memory>

#include "support/KnownLoad.h"

namespace Passenger {

using namespace std::chrono_literals;

/** Who gets a place, by what is known when the request comes. */
class AdmissionTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(AdmissionTest);
    CPPUNIT_TEST(testARequestThatNeedNotWaitIsAdmitted);
    CPPUNIT_TEST(testAKeyMayHoldAsManyPlacesInTheQueueAsAreFree);
    CPPUNIT_TEST(testAFullQueueIsFullForAKeyWithOneRequestToo);
    CPPUNIT_TEST(testRequestsThatRunCountForTheKeyUpToTheLengthOfTheQueue);
    CPPUNIT_TEST(testAKeyMayHoldAsManyOfHttpdsThreadsAsAreFreeOfTheApplicationsShare);
    CPPUNIT_TEST(testRelayedConnectionsAndRequestsHaveOneShareOfHttpdsThreads);
    CPPUNIT_TEST(testRequestsOfHttp2HaveAShareOfTheirOwn);
    CPPUNIT_TEST(testTheShareHoldsWhateverTheInstancesClaim);
    CPPUNIT_TEST(testWithoutALimitNoKeyIsRefused);
    CPPUNIT_TEST(testThePartOfAPriorityIsShared);
    CPPUNIT_TEST(testOneRequestOfLowPriorityIsJudgedAsOthers);
    CPPUNIT_TEST(testAnOverloadedApplicationRefusesTheKeyThatHoldsMostFirst);
    CPPUNIT_TEST(testAKeysBurstThatIsServedWithinTheTargetIsNoOverload);
    CPPUNIT_TEST(testOthersKeepAFifthBesideThoseOfHighPriority);
    CPPUNIT_TEST(testTheOverloadLastsWhileAKeyIsRefusedForIt);
    CPPUNIT_TEST(testInstancesThatAllWorkForClientsThatHaveLeftCanBeOverloaded);
    CPPUNIT_TEST(testAPauseIsNoOverload);
    CPPUNIT_TEST_SUITE_END();

    using Refusal = std::optional<Admission::Refusal>;

    Options options_;
    std::unique_ptr<QueueDelay> delay_;
    MonotonicTime now_;

    Refusal refusal(const KnownLoad &load) { return load.refusal(options_, *delay_, now_); }
    /** So many wait at `capacity` instances, the request included. */
    Refusal refusalWith(unsigned waiting, unsigned ofKey, unsigned capacity = 2) {
        return refusal({capacity + waiting, capacity, ofKey});
    }
    static bool isForShare(const Refusal &refusal) {
        return refusal && refusal->overShare && refusal->reason.find("PassengerFairnessKey") != std::string::npos;
    }
    static bool isFull(const Refusal &refusal) { return refusal && !refusal->overShare; }

    /** Instances take 100 ms for a request; since the requests wait for longer than the target, the
     *  application is overloaded. */
    void overload() {
        options_.maxQueueSize = 0;
        options_.queueTarget = 1s;
        refusal({3, 2, 0, 0, 0s});
        for (int i = 0; i < 3; i++) {
            now_ += 200ms;
            delay_->waited(2s, 1s, now_);
        }
        refusal({3, 2, 0, 100, 10s});
    }
    Refusal overloadedWith(unsigned waiting, unsigned ofKey) { return refusal({2 + waiting, 2, ofKey, 100, 10s}); }
    /** @param others this request, and others that are not of high priority */
    Refusal besideHigh(unsigned high, unsigned others, unsigned ofKey = 0) {
        return refusal({.inFlight = high + others,
                        .capacity = 2,
                        .ofKey = ofKey,
                        .answers = 100,
                        .service = 10s,
                        .serves = true,
                        .high = high});
    }

public:
    void setUp() override {
        options_ = Options();
        options_.maxQueueSize = 8;
        delay_ = std::make_unique<QueueDelay>();
        now_ = MonotonicTime(1h);
    }

    void testARequestThatNeedNotWaitIsAdmitted() {
        CPPUNIT_ASSERT(!refusal({2, 2, 2}));
        options_.request.maxInFlight = 10;
        CPPUNIT_ASSERT(!refusal({2, 2, 2}));
    }

    void testAKeyMayHoldAsManyPlacesInTheQueueAsAreFree() {
        CPPUNIT_ASSERT(!refusalWith(4, 4));
        CPPUNIT_ASSERT(isForShare(refusalWith(5, 5)));
        CPPUNIT_ASSERT(!refusalWith(7, 2));
        CPPUNIT_ASSERT(isForShare(refusalWith(7, 3)));
        CPPUNIT_ASSERT(!refusalWith(8, 1));
        CPPUNIT_ASSERT(isForShare(refusalWith(8, 2)));
        CPPUNIT_ASSERT(!refusalWith(8, 0));
        const std::string text = refusalWith(7, 3)->reason;
        CPPUNIT_ASSERT_MESSAGE(text, text.find("2 of its requests") != std::string::npos);
    }

    void testAFullQueueIsFullForAKeyWithOneRequestToo() {
        CPPUNIT_ASSERT(isFull(refusalWith(9, 1)));
        CPPUNIT_ASSERT(isFull(refusalWith(9, 5)));
    }

    void testRequestsThatRunCountForTheKeyUpToTheLengthOfTheQueue() {
        // 60 run, 4 wait.
        CPPUNIT_ASSERT(!refusalWith(4, 64, 60));
        CPPUNIT_ASSERT(isForShare(refusalWith(5, 65, 60)));
    }

    void testAKeyMayHoldAsManyOfHttpdsThreadsAsAreFreeOfTheApplicationsShare() {
        options_.request.maxInFlight = 10;
        // The instances of an event loop: none of the requests waits.
        CPPUNIT_ASSERT(!refusal({5, 100, 5}));
        CPPUNIT_ASSERT(isForShare(refusal({6, 100, 6})));
        CPPUNIT_ASSERT(!refusal({10, 100, 1}));
        CPPUNIT_ASSERT(isFull(refusal({11, 100, 1})));
        // The queue may hold more than httpd has threads for.
        options_.maxQueueSize = 100;
        CPPUNIT_ASSERT(!refusalWith(4, 6, 2));
        CPPUNIT_ASSERT(isForShare(refusalWith(5, 7, 2)));
    }

    void testRelayedConnectionsAndRequestsHaveOneShareOfHttpdsThreads() {
        options_.request.maxInFlight = 10;
        options_.maxQueueSize = 100;
        // An event loop, which takes all requests at once.
        CPPUNIT_ASSERT(!refusal({4, 100, 0, 0, 0s, {6}}));
        const Refusal event = refusal({5, 100, 0, 0, 0s, {6}});
        CPPUNIT_ASSERT(isFull(event));
        CPPUNIT_ASSERT_MESSAGE(
            event->reason, event->reason.find("10 requests and relayed connections, 6 of them") != std::string::npos);
        // Instances with fewer threads than the share, but not with fewer than is left of it.
        CPPUNIT_ASSERT(!refusal({4, 8, 0, 0, 0s, {6}}));
        CPPUNIT_ASSERT(isFull(refusal({5, 8, 0, 0, 0s, {6}})));
        // Requests that wait.
        CPPUNIT_ASSERT(!refusal({4, 2, 0, 0, 0s, {6}}));
        CPPUNIT_ASSERT(isFull(refusal({5, 2, 0, 0, 0s, {6}})));
        CPPUNIT_ASSERT(isFull(refusal({1, 2, 0, 0, 0s, {10}})));
        CPPUNIT_ASSERT_MESSAGE("A count that is no count", isFull(refusal({1, 2, 0, 0, 0s, {UINT_MAX}})));
        // A key leaves others as many places as it holds.
        CPPUNIT_ASSERT(!refusal({2, 100, 2, 0, 0s, {6}}));
        CPPUNIT_ASSERT(isForShare(refusal({3, 100, 3, 0, 0s, {6}})));
        options_.request.maxInFlight = 0;
        CPPUNIT_ASSERT(!refusal({50, 100, 0, 0, 0s, {60}}));
    }

    void testRequestsOfHttp2HaveAShareOfTheirOwn() {
        options_.request.maxInFlight = 10;
        options_.maxQueueSize = 100;
        // 30 requests in flight, of which 25 or 20 hold threads of mod_http2.
        CPPUNIT_ASSERT(!refusal({30, 2, 0, 0, 0s, {5, 25}}));
        CPPUNIT_ASSERT(isFull(refusal({30, 2, 0, 0, 0s, {1, 20}})));
        CPPUNIT_ASSERT_MESSAGE("A count that is no count", !refusal({30, 2, 0, 0, 0s, {0, UINT_MAX}}));
        // A request of HTTP/2. Connections with one stream each hold as many threads of the MPM.
        CPPUNIT_ASSERT(!refusal({30, 2, 0, 0, 0s, {5, 25, 25}}));
        CPPUNIT_ASSERT(isFull(refusal({30, 2, 0, 0, 0s, {11, 30, 40}})));
        const Refusal stream = refusal({30, 2, 0, 0, 0s, {5, 26, 25}});
        CPPUNIT_ASSERT(isFull(stream));
        CPPUNIT_ASSERT_MESSAGE(stream->reason, stream->reason.find("share of mod_http2's threads: 25 requests, seven "
                                                                   "eighths of H2MaxWorkers") != std::string::npos);
        // A key leaves others as many streams as it holds.
        CPPUNIT_ASSERT(!refusal({20, 100, 6, 0, 0s, {2, 20, 25}}));
        CPPUNIT_ASSERT(isForShare(refusal({20, 100, 7, 0, 0s, {2, 20, 25}})));
    }

    void testTheShareHoldsWhateverTheInstancesClaim() {
        options_.request.maxInFlight = 350;
        options_.maxQueueSize = 1000;
        CPPUNIT_ASSERT(!refusal({350, 1, 0, 0, 0s, {0}, 65536}));
        CPPUNIT_ASSERT(isFull(refusal({351, 1, 0, 0, 0s, {0}, 65536})));
    }

    void testWithoutALimitNoKeyIsRefused() {
        options_.maxQueueSize = 0;
        CPPUNIT_ASSERT(!refusalWith(1'000'000, 1'000'000));
    }

    void testThePartOfAPriorityIsShared() {
        options_.maxQueueSize = 40;
        options_.request.priority = Priority::LOW;
        delay_->takeTurn(now_);
        const std::string text = refusalWith(6, 6)->reason;
        CPPUNIT_ASSERT_MESSAGE(text, text.find("of low priority") != std::string::npos);
        CPPUNIT_ASSERT(!refusalWith(5, 5));
        options_.request.priority = Priority::NORMAL;
        CPPUNIT_ASSERT(!refusalWith(20, 20));
        CPPUNIT_ASSERT(isForShare(refusalWith(21, 21)));
        options_.request.priority = Priority::HIGH;
        CPPUNIT_ASSERT(!refusalWith(25, 25));
        CPPUNIT_ASSERT(isForShare(refusalWith(26, 26)));
    }

    void testOneRequestOfLowPriorityIsJudgedAsOthers() {
        options_.maxQueueSize = 40;
        options_.request.priority = Priority::LOW;
        CPPUNIT_ASSERT_MESSAGE("Nor would others be admitted", refusalWith(30, 30));
        CPPUNIT_ASSERT(!refusalWith(20, 20));
        CPPUNIT_ASSERT_MESSAGE("Another one in this second", isFull(refusalWith(20, 1)));
    }

    void testAnOverloadedApplicationRefusesTheKeyThatHoldsMostFirst() {
        overload();
        // 20 are begun within the target.
        CPPUNIT_ASSERT(!overloadedWith(20, 0));
        CPPUNIT_ASSERT(!overloadedWith(20, 1));
        CPPUNIT_ASSERT(isFull(overloadedWith(21, 1)));
        CPPUNIT_ASSERT(!overloadedWith(10, 10));
        CPPUNIT_ASSERT(isForShare(overloadedWith(11, 11)));
        CPPUNIT_ASSERT(isForShare(overloadedWith(19, 3)));
        CPPUNIT_ASSERT(isFull(overloadedWith(21, 3)));
    }

    void testAKeysBurstThatIsServedWithinTheTargetIsNoOverload() {
        options_.maxQueueSize = 0;
        options_.queueTarget = 1s;
        CPPUNIT_ASSERT(!overloadedWith(40, 1));
        CPPUNIT_ASSERT(!overloadedWith(20, 20));
        CPPUNIT_ASSERT(isForShare(overloadedWith(21, 21)));
        CPPUNIT_ASSERT_MESSAGE("No overload has begun", !overloadedWith(20, 20));
        CPPUNIT_ASSERT(!overloadedWith(20, 1));
    }

    void testOthersKeepAFifthBesideThoseOfHighPriority() {
        for (const bool target : {false, true}) {
            setUp();
            if (target) {
                overload();
            }
            CPPUNIT_ASSERT(isFull(besideHigh(0, 50)));
            CPPUNIT_ASSERT(!besideHigh(40, 10));
            CPPUNIT_ASSERT(isFull(besideHigh(40, 11)));
            CPPUNIT_ASSERT_MESSAGE("One for each key", besideHigh(39, 5, 2));
            CPPUNIT_ASSERT(!besideHigh(39, 5, 1));
            options_.request.priority = Priority::LOW;
            CPPUNIT_ASSERT(!besideHigh(39, 5));
            CPPUNIT_ASSERT_MESSAGE("Another one in this second", isFull(besideHigh(39, 5)));
        }
        options_ = Options();
        options_.maxQueueSize = 1;
        CPPUNIT_ASSERT_MESSAGE("One beside a short queue", !besideHigh(3, 1));
        CPPUNIT_ASSERT(isFull(besideHigh(3, 2)));
        options_.request.maxInFlight = 3;
        CPPUNIT_ASSERT_MESSAGE("Other applications need threads", isFull(besideHigh(3, 1)));
    }

    void testTheOverloadLastsWhileAKeyIsRefusedForIt() {
        overload();
        for (int i = 0; i < 3; i++) {
            now_ += QueueDelay::CALM - 1s;
            CPPUNIT_ASSERT(isForShare(overloadedWith(15, 12)));
        }
        now_ += QueueDelay::CALM + 1s;
        CPPUNIT_ASSERT(!overloadedWith(20, 20));
    }

    void testAPauseIsNoOverload() {
        overload();
        CPPUNIT_ASSERT(isFull(refusal({.inFlight = 100, .capacity = 2, .answers = 100, .service = 10s})));
        CPPUNIT_ASSERT(!refusal({.inFlight = 100, .capacity = 2, .answers = 100, .service = 10s, .paused = true}));
        options_.maxQueueSize = 97;
        CPPUNIT_ASSERT(isFull(refusal({.inFlight = 100, .capacity = 2, .paused = true})));
    }

    void testInstancesThatAllWorkForClientsThatHaveLeftCanBeOverloaded() {
        overload();
        CPPUNIT_ASSERT(isFull(refusal({.inFlight = 11, .answers = 100, .service = 10s, .serves = true})));
        CPPUNIT_ASSERT(!refusal({.inFlight = 10, .answers = 100, .service = 10s, .serves = true}));
        CPPUNIT_ASSERT_MESSAGE("None serves yet", !refusal({.inFlight = 11, .answers = 100, .service = 10s}));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(AdmissionTest);

}  // namespace Passenger
