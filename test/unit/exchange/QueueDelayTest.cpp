#include "exchange/QueueDelay.h"

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <queue>
#include <random>
#include <vector>

#include "support/Sanitizer.h"

namespace Passenger {

using namespace std::chrono_literals;

namespace {

using Time = QueueDelay::Time;

constexpr Time TARGET = 200ms;
/** Clients wait this long. */
constexpr Time DEADLINE = 1s;

/** What became of the requests of a time. */
struct Outcome {
    unsigned offered = 0;
    unsigned refused = 0;
    /** Answered within DEADLINE of their arrival. */
    unsigned good = 0;
    Time longestWait{0};
};

/** An application's instances with one queue, in simulated time. A request takes `service`. Each
 *  comes to any of the httpd children. */
class SimulatedApplication {
public:
    SimulatedApplication(unsigned instances, Time service, unsigned children = 1)
        : service_(service), instances_(instances), free_(instances), children_(children) {}

    /** Requests come at random, `rate` a second on average. Counts those from `from` on. */
    Outcome run(double rate, Time duration, Time from = Time(0)) {
        Outcome &outcome = outcomes_.emplace_back();
        std::exponential_distribution<double> gap(rate);
        const MonotonicTime begin = now_;
        MonotonicTime next = begin;
        while ((next += std::chrono::duration_cast<Time>(std::chrono::duration<double>(gap(random_)))) <
               begin + duration) {
            advance(next);
            arrive(next >= begin + from ? outcome : ignored_);
        }
        advance(begin + duration);
        return outcome;
    }

    /** So many requests come at once. */
    Outcome burst(unsigned requests) {
        Outcome &outcome = outcomes_.emplace_back();
        for (unsigned i = 0; i < requests; i++) {
            arrive(outcome);
        }
        advance(now_ + requests * service_);
        return outcome;
    }

    /** For so long no instance gets on with its work. */
    void stall(Time time) {
        std::vector<Work> works;
        for (; !working_.empty(); working_.pop()) {
            works.push_back({working_.top().end + time, working_.top().waited, working_.top().child});
        }
        for (const Work &work : works) {
            working_.push(work);
        }
    }

private:
    struct Request {
        MonotonicTime arrival;
        QueueDelay *child;
        Outcome *outcome;
    };
    struct Work {
        MonotonicTime end;
        Time waited;
        QueueDelay *child;
        bool operator>(const Work &other) const { return end > other.end; }
    };

    void arrive(Outcome &outcome) {
        outcome.offered++;
        QueueDelay &child = children_[random_() % children_.size()];
        if (free_ > 0) {
            child.idle();
        } else if (!child.mayWait({static_cast<unsigned>(waiting_.size()) + 1, instances_, answered_,
                                   answered_ * std::chrono::duration_cast<std::chrono::microseconds>(service_)},
                                  TARGET, TARGET, now_)) {
            outcome.refused++;
            return;
        }
        waiting_.push_back({now_, &child, &outcome});
        begin();
    }

    void begin() {
        while (free_ > 0 && !waiting_.empty()) {
            const Request request = waiting_.front();
            waiting_.pop_front();
            free_--;
            const Time waited = now_ - request.arrival;
            request.outcome->longestWait = std::max(request.outcome->longestWait, waited);
            request.outcome->good += waited + service_ <= DEADLINE ? 1 : 0;
            working_.push({now_ + service_, waited, request.child});
        }
    }

    void advance(MonotonicTime to) {
        while (!working_.empty() && working_.top().end <= to) {
            const Work done = working_.top();
            working_.pop();
            now_ = done.end;
            free_++;
            answered_++;
            done.child->waited(done.waited, TARGET, now_);
            begin();
        }
        now_ = to;
    }

    const Time service_;
    const unsigned instances_;
    unsigned free_;
    MonotonicTime now_{1h};
    std::deque<QueueDelay> children_;
    std::deque<Request> waiting_;
    std::priority_queue<Work, std::vector<Work>, std::greater<>> working_;
    std::uint64_t answered_ = 0;
    /** The outcomes of all runs: requests that wait at a run's end have theirs later. */
    std::deque<Outcome> outcomes_;
    Outcome ignored_;
    std::mt19937 random_{1};
};

}  // namespace

class QueueDelayTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(QueueDelayTest);
    CPPUNIT_TEST(testBelowTheCapacityNothingIsRefused);
    CPPUNIT_TEST(testABurstWithinTheTargetWaitsHoweverManyRequestsItHas);
    CPPUNIT_TEST(testAtFiveTimesTheCapacityNineTenthsOfItAreInTime);
    CPPUNIT_TEST(testAFreshOverloadIsRefusedFromItsBegin);
    CPPUNIT_TEST(testTheFirstAnswersAreNoMeasure);
    CPPUNIT_TEST(testOneLongRequestIsNoMeasure);
    CPPUNIT_TEST(testAFewMayWaitSinceInstancesMayBeStarting);
    CPPUNIT_TEST(testALittleTooMuchIsRefusedOnly);
    CPPUNIT_TEST(testTwoSecondsAfterTheLoadAllIsAsBefore);
    CPPUNIT_TEST(testAfterAStallALightLoadIsServed);
    CPPUNIT_TEST(testAHangRefusesWhatComesThen);
    CPPUNIT_TEST(testAHangOfTheFirstRequestRefusesWhatComesThen);
    CPPUNIT_TEST(testTheQuickAnswersOfBeforeAHangDoNotMakeTheQueueLonger);
    CPPUNIT_TEST(testRequestsWaitWhileTheFirstInstanceStarts);
    CPPUNIT_TEST(testAnOverloadThatEndedAbruptlyIsForgotten);
    CPPUNIT_TEST(testRequestsOfSecondsDoNotWaitForEachOther);
    CPPUNIT_TEST(testADayWithBurstsRefusesOnlyWithinThem);
    CPPUNIT_TEST(testARequestOfLowPriorityMayWaitForLessTime);
    CPPUNIT_TEST(testOneRequestOfLowPriorityASecondIsAsOthers);
    CPPUNIT_TEST(testCountsThatBeginAgainAreNoMeasure);
    CPPUNIT_TEST_SUITE_END();

public:
    void testBelowTheCapacityNothingIsRefused() {
        SimulatedApplication app(2, 2ms);
        CPPUNIT_ASSERT_EQUAL(0U, app.run(800, 60s).refused);
    }

    void testABurstWithinTheTargetWaitsHoweverManyRequestsItHas() {
        SimulatedApplication app(2, 1ms);
        const Outcome outcome = app.burst(400);
        CPPUNIT_ASSERT_EQUAL(0U, outcome.refused);
        CPPUNIT_ASSERT(outcome.longestWait <= TARGET);
        CPPUNIT_ASSERT_EQUAL(0U, app.burst(400).refused);
    }

    void testAtFiveTimesTheCapacityNineTenthsOfItAreInTime() {
        SimulatedApplication app(2, 2ms);
        const Outcome outcome = app.run(5000, 20s);
        CPPUNIT_ASSERT(outcome.good >= 0.9 * 1000 * 20);
        CPPUNIT_ASSERT(outcome.longestWait < 2 * TARGET);
        CPPUNIT_ASSERT(outcome.refused > 0);
    }

    void testAFreshOverloadIsRefusedFromItsBegin() {
        for (const unsigned children : {1U, 2U, 15U}) {
            for (const double load : {2.0, 5.0, 20.0}) {
                SimulatedApplication app(2, 50ms, children);
                app.run(20, 10s);
                const Outcome begin = app.run(load * 40, 1s);
                const Outcome rest = app.run(load * 40, 9s);
                app.run(20, 5s);
                CPPUNIT_ASSERT(begin.good + rest.good >= 0.95 * 40 * 10);
                CPPUNIT_ASSERT(std::max(begin.longestWait, rest.longestWait) <= 2 * TARGET);
            }
        }
    }

    void testTheFirstAnswersAreNoMeasure() {
        QueueDelay delay;
        MonotonicTime now{1h};
        CPPUNIT_ASSERT(delay.mayWait({50, 1, 0, 0s}, TARGET, TARGET, now));
        // The first one took 3 s, the others a millisecond each.
        CPPUNIT_ASSERT(delay.mayWait({50, 1, 1, 3s}, TARGET, TARGET, now += 200ms));
        CPPUNIT_ASSERT(delay.mayWait({50, 1, 15, 3014ms}, TARGET, TARGET, now += 20ms));
        CPPUNIT_ASSERT(delay.mayWait({50, 1, 100, 3099ms}, TARGET, TARGET, now += 100ms));
        CPPUNIT_ASSERT(!delay.mayWait({401, 1, 200, 3199ms}, TARGET, TARGET, now += 100ms));
    }

    void testOneLongRequestIsNoMeasure() {
        QueueDelay delay;
        MonotonicTime now{1h};
        CPPUNIT_ASSERT(delay.mayWait({20, 1, 1000, 10s}, TARGET, TARGET, now));
        // Hours without a wait.
        CPPUNIT_ASSERT(delay.mayWait({20, 1, 1001, 70s}, TARGET, TARGET, now += 3h));
        CPPUNIT_ASSERT(delay.mayWait({40, 1, 1001, 70s}, TARGET, TARGET, now));
        CPPUNIT_ASSERT(!delay.mayWait({41, 1, 1001, 70s}, TARGET, TARGET, now));
    }

    void testAFewMayWaitSinceInstancesMayBeStarting() {
        QueueDelay delay;
        CPPUNIT_ASSERT(delay.mayWait({8, 1, 100, 100s}, TARGET, TARGET, MonotonicTime(1h)));
        CPPUNIT_ASSERT(!delay.mayWait({9, 1, 100, 100s}, TARGET, TARGET, MonotonicTime(1h)));
        CPPUNIT_ASSERT(!delay.mayWait({8, 1, 100, 100s}, TARGET, TARGET, MonotonicTime(1h)));
    }

    void testALittleTooMuchIsRefusedOnly() {
        SimulatedApplication app(2, 2ms);
        const Outcome outcome = app.run(1200, 60s);
        CPPUNIT_ASSERT(outcome.good >= 0.95 * 1000 * 60);
        CPPUNIT_ASSERT(outcome.refused < 0.25 * outcome.offered);
    }

    void testTwoSecondsAfterTheLoadAllIsAsBefore() {
        for (const double load : {1.2, 2.0, 5.0, 20.0}) {
            SimulatedApplication app(2, 2ms);
            const Outcome before = app.run(700, 10s);
            app.run(load * 1000, 10s);
            app.run(700, 2s);
            const Outcome after = app.run(700, 10s);
            CPPUNIT_ASSERT_EQUAL(0U, after.refused);
            CPPUNIT_ASSERT(after.longestWait <= 2 * before.longestWait);
        }
    }

    void testAfterAStallALightLoadIsServed() {
        SimulatedApplication app(1, 50ms);
        for (int i = 0; i < 20; i++) {
            app.run(4, 10s);
            app.stall(3s);
            app.run(4, 5s);
            CPPUNIT_ASSERT_EQUAL(0U, app.run(4, 60s).refused);
        }
    }

    void testAHangRefusesWhatComesThen() {
        QueueDelay delay;
        MonotonicTime now{1h};
        unsigned waiting = 0;
        unsigned refused = 0;
        for (int i = 0; i < 100; i++) {
            now += 20ms;
            refused += delay.mayWait({++waiting, 2, 1000, 20s}, TARGET, TARGET, now) ? 0 : 1;
        }
        CPPUNIT_ASSERT(refused > 75);
    }

    void testAHangOfTheFirstRequestRefusesWhatComesThen() {
        QueueDelay delay;
        MonotonicTime now{1h};
        unsigned waiting = 0;
        for (int i = 0; i < 1000; i++) {
            now += 20ms;
            waiting += delay.mayWait({waiting + 1, 1, 0, 0s}, TARGET, TARGET, now) ? 1 : 0;
        }
        CPPUNIT_ASSERT(waiting < 20);
    }

    void testTheQuickAnswersOfBeforeAHangDoNotMakeTheQueueLonger() {
        QueueDelay delay;
        MonotonicTime now{1h};
        unsigned waiting = 0;
        for (int i = 0; i < 500; i++) {
            now += 10ms;
            waiting += delay.mayWait({waiting + 1, 8, 1000, 2s}, TARGET, TARGET, now) ? 1 : 0;
        }
        CPPUNIT_ASSERT(waiting <= (TARGET + QueueDelay::INTERVAL) / 10ms + 1);
    }

    void testRequestsWaitWhileTheFirstInstanceStarts() {
        QueueDelay delay;
        MonotonicTime now{1h};
        for (unsigned i = 1; i < 100; i++) {
            now += 20ms;
            delay.waited(3s, TARGET, now);
            CPPUNIT_ASSERT(delay.mayWait({i, 0, 1000, 20s}, TARGET, TARGET, now));
        }
    }

    void testAnOverloadThatEndedAbruptlyIsForgotten() {
        SimulatedApplication app(2, 300ms);
        app.run(50, 20s);
        app.run(0.001, 20s);
        CPPUNIT_ASSERT_EQUAL(0U, app.burst(3).refused);
    }

    void testRequestsOfSecondsDoNotWaitForEachOther() {
        SimulatedApplication app(2, 3s);
        const Outcome outcome = app.run(4, 200s, 100s);
        CPPUNIT_ASSERT(outcome.refused >= 0.8 * outcome.offered);
        CPPUNIT_ASSERT(outcome.longestWait < 3s);
    }

    /** Hours differ, and so do their bursts. */
    void testADayWithBurstsRefusesOnlyWithinThem() {
        SimulatedApplication app(4, 20ms, 2);
        // Each third hour has all eight bursts, too.
        for (int hour = 0; hour < 24; hour += SANITIZED ? 3 : 1) {
            // 200 a second are the capacity. The queue of the burst is served first.
            app.run(20 + 5 * hour, TARGET);
            CPPUNIT_ASSERT_EQUAL(0U, app.run(20 + 5 * hour, 10min).refused);
            const Outcome busy = app.run(300 + 100 * (hour % 8), 10s);
            CPPUNIT_ASSERT(busy.good >= 0.9 * 200 * 10);
            CPPUNIT_ASSERT(busy.longestWait <= 2 * TARGET);
        }
    }

    void testARequestOfLowPriorityMayWaitForLessTime() {
        QueueDelay delay;
        MonotonicTime now{1h};
        delay.mayWait({1, 1, 100, 10s}, TARGET, TARGET, now);
        for (int i = 0; i < 30; i++) {
            now += 20ms;
            delay.waited(1s, TARGET, now);
        }
        now += 1s;
        // 10 ms for each; the target is 200 ms.
        const QueueDelay::Load load{10, 1, 200, 11s};
        CPPUNIT_ASSERT(delay.mayWait(load, TARGET, TARGET, now));
        CPPUNIT_ASSERT(!delay.mayWait(load, TARGET, TARGET / 4, now));
        CPPUNIT_ASSERT(!delay.mayWait({30, 1, 200, 11s}, TARGET, TARGET, now));
        CPPUNIT_ASSERT(delay.mayWait({30, 1, 200, 11s}, TARGET, TARGET * 2, now));
        // Refused requests of low priority are no sign of an overload.
        for (unsigned i = 1; i <= 11; i++) {
            now += 1s;
            delay.mayWait({10, 1, 200 + i * 100, 11s + i * 1s}, TARGET, TARGET / 4, now);
        }
        CPPUNIT_ASSERT(delay.mayWait({30, 1, 1300, 22s}, TARGET, TARGET, now));
    }

    void testOneRequestOfLowPriorityASecondIsAsOthers() {
        QueueDelay delay;
        MonotonicTime now{1h};
        CPPUNIT_ASSERT(delay.takeTurn(now));
        CPPUNIT_ASSERT(!delay.takeTurn(now + 999ms));
        CPPUNIT_ASSERT(delay.takeTurn(now + 1s));
        CPPUNIT_ASSERT(!delay.takeTurn(now + 1s));
    }

    void testCountsThatBeginAgainAreNoMeasure() {
        QueueDelay delay;
        MonotonicTime now{1h};
        CPPUNIT_ASSERT(delay.mayWait({1, 1, 1'000'000, 1'000'000s}, TARGET, TARGET, now));
        for (int i = 0; i < 30; i++) {
            now += 20ms;
            delay.waited(1s, TARGET, now);
        }
        // A second for each of two that wait.
        CPPUNIT_ASSERT(!delay.mayWait({2, 1, 5, 1ms}, TARGET, TARGET, now));
        now += 1s;
        // 10 ms for each.
        CPPUNIT_ASSERT(!delay.mayWait({21, 1, 105, 1001ms}, TARGET, TARGET, now));
        CPPUNIT_ASSERT(delay.mayWait({20, 1, 105, 1001ms}, TARGET, TARGET, now));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(QueueDelayTest);

}  // namespace Passenger
