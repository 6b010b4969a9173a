#include "exchange/ExchangeTimes.h"

#include <cppunit/extensions/HelperMacros.h>

#include "support/FakeHost.h"
#include "support/LeakCheck.h"

namespace Passenger {

using namespace std::chrono_literals;

class ExchangeTimesTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(ExchangeTimesTest);
    CPPUNIT_TEST(testTheTimeInTheQueueBeginsWithTheFirstTicket);
    CPPUNIT_TEST(testWithoutALimitTheProcessesEndLimitsTheWait);
    CPPUNIT_TEST(testTheWorkIsLimitedFromItsBeginningOn);
    CPPUNIT_TEST(testExcusedTimeDoesNotCountAsWork);
    CPPUNIT_TEST(testExcusedTimeIsNoTimeInTheQueue);
    CPPUNIT_TEST(testAPauseBeforeTheBeginIsNoTimeOfTheWork);
    CPPUNIT_TEST(testAPauseInTheQueueStaysThereAfterAPauseOfTheWork);
    CPPUNIT_TEST(testANewTicketEndsTheWorkOfTheLastOne);
    CPPUNIT_TEST(testTheReportedQueueTimeIsLimitedToTheMeasuredTime);
    CPPUNIT_TEST_SUITE_END();

    std::shared_ptr<FakeHost> host_;

    /** The process stood still for an hour, as by docker pause. */
    ExchangeTimes afterPauseInQueue() {
        host_->options.maxRequestTime = 10s;
        ExchangeTimes times(*host_, host_->options);
        times.sending(true);
        const MonotonicTime before = times.now();
        host_->advance(1h);
        times.waited(before, 0s);
        return times;
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        host_ = std::make_shared<FakeHost>();
    }

    void tearDown() override {
        host_.reset();
        LeakCheck::tearDown();
    }

    void testTheTimeInTheQueueBeginsWithTheFirstTicket() {
        host_->options.maxQueueTime = 10s;
        ExchangeTimes times(*host_, host_->options);
        times.sending(true);
        const MonotonicTime first = times.sentAt();
        host_->advance(3s);
        times.sending(false);
        CPPUNIT_ASSERT(times.waitingSince() == first);
        CPPUNIT_ASSERT(times.queueDeadline() == first + 10s);
        CPPUNIT_ASSERT(times.waited() >= 3s);
        times.waitAnew();
        CPPUNIT_ASSERT(times.waitingSince() > first);
    }

    void testWithoutALimitTheProcessesEndLimitsTheWait() {
        const ExchangeTimes times(*host_, host_->options);
        CPPUNIT_ASSERT(!times.queueDeadline());
        host_->lastWait = MonotonicTime(5s);
        CPPUNIT_ASSERT(times.queueDeadline() == MonotonicTime(5s));
    }

    void testTheWorkIsLimitedFromItsBeginningOn() {
        host_->options.maxRequestTime = 10s;
        ExchangeTimes times(*host_, host_->options);
        times.sending(true);
        CPPUNIT_ASSERT(!times.workDeadline());
        times.begunNow();
        host_->advance(9s);
        times.begunNow();
        CPPUNIT_ASSERT(!times.workIsUp());
        host_->advance(1s);
        CPPUNIT_ASSERT(times.workIsUp());
    }

    void testExcusedTimeDoesNotCountAsWork() {
        host_->options.maxRequestTime = 10s;
        ExchangeTimes times(*host_, host_->options);
        times.sending(true);
        times.begunNow();
        host_->advance(12s);
        times.excuse(5s);
        CPPUNIT_ASSERT(!times.workIsUp());
    }

    void testExcusedTimeIsNoTimeInTheQueue() {
        ExchangeTimes times(*host_, host_->options);
        times.sending(true);
        times.begunNow();
        const std::chrono::nanoseconds waited = times.waitedUntilBegun();
        times.excuse(8760h);
        host_->advance(1h);
        CPPUNIT_ASSERT(times.waitedUntilBegun() == waited);
    }

    void testAPauseBeforeTheBeginIsNoTimeOfTheWork() {
        using Begin = void (*)(ExchangeTimes &);
        const Begin seen = [](ExchangeTimes &times) { times.begunNow(); };
        const Begin told = [](ExchangeTimes &times) {
            times.queuedFor(2h);
            times.begunAfterQueue();
        };
        const Begin beforeThePause = [](ExchangeTimes &times) { times.begunAfterQueue(); };
        for (const Begin begin : {seen, told, beforeThePause}) {
            ExchangeTimes times = afterPauseInQueue();
            begin(times);
            host_->advance(9s);
            CPPUNIT_ASSERT(!times.workIsUp());
            host_->advance(2s);
            CPPUNIT_ASSERT(times.workIsUp());
        }
    }

    void testAPauseInTheQueueStaysThereAfterAPauseOfTheWork() {
        ExchangeTimes times = afterPauseInQueue();
        host_->advance(1s);
        times.queuedFor(1h + 1s);
        const MonotonicTime begun = times.now();
        host_->advance(3s);
        times.waited(begun, 0s);
        times.begunAfterQueue();
        host_->advance(9s);
        CPPUNIT_ASSERT(!times.workIsUp());
        host_->advance(2s);
        CPPUNIT_ASSERT(times.workIsUp());
    }

    void testANewTicketEndsTheWorkOfTheLastOne() {
        host_->options.maxRequestTime = 10s;
        ExchangeTimes times(*host_, host_->options);
        times.sending(true);
        times.begunNow();
        times.sending(false);
        CPPUNIT_ASSERT(!times.workDeadline());
    }

    void testTheReportedQueueTimeIsLimitedToTheMeasuredTime() {
        ExchangeTimes times(*host_, host_->options);
        times.sending(true);
        host_->advance(2s);
        times.queuedFor(1h);
        times.begunAfterQueue();
        const ExchangeTimes::Durations durations = times.durations();
        CPPUNIT_ASSERT(durations.queue >= 2s && durations.queue < 1h);
        CPPUNIT_ASSERT(durations.service == 0s);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ExchangeTimesTest);

}  // namespace Passenger
