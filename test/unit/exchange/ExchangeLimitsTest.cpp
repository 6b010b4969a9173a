#include <cppunit/extensions/HelperMacros.h>

#include <chrono>

#include "exchange/Exchange.h"
#include "support/Eventually.h"
#include "support/Expect.h"
#include "support/FakeHost.h"
#include "support/LeakCheck.h"

namespace Passenger {

using namespace std::chrono_literals;

/** How many requests may wait in a line, and how long. */
class ExchangeLimitsTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(ExchangeLimitsTest);
    CPPUNIT_TEST(testARequestBeyondInstancesAndQueueIsRefused);
    CPPUNIT_TEST(testClaimsBeyondThePlacesMakeTheQueueNoLonger);
    CPPUNIT_TEST(testARequestWhoseClientHasLeftMakesTheQueueNoLonger);
    CPPUNIT_TEST(testARequestBeyondItsApplicationsShareIsRefusedWhereItWouldWait);
    CPPUNIT_TEST(testInstancesThatCouldTakeMoreThanTheShareTakeNoMore);
    CPPUNIT_TEST(testARefusedRequestMayTryAgain);
    CPPUNIT_TEST(testRequestsOfLowPriorityAreRefusedFirst);
    CPPUNIT_TEST(testRequestsOfLowPriorityDoNotStarve);
    CPPUNIT_TEST(testWhileNoInstanceServesTheQueueAloneCounts);
    CPPUNIT_TEST(testWithoutALimitAllMayWait);
    CPPUNIT_TEST(testAnAnsweredRequestTakesNoPlaceInTheQueue);
    CPPUNIT_TEST(testARequestThatIsSentAgainKeepsItsPlace);
    CPPUNIT_TEST(testARefusedRequestLeavesACleanChannel);
    CPPUNIT_TEST(testARequestThatWaitsTooLongIsWithdrawnAndRefused);
    CPPUNIT_TEST(testARequestIsRefusedAsSoonAsItsTimeLimitIsReached);
    CPPUNIT_TEST(testTheWaitingTimeCountsFromTheFirstTicket);
    CPPUNIT_TEST(testABegunRequestContinuesAfterTheTimeLimitOfTheQueue);
    CPPUNIT_TEST(testAnAnswerThatHasArrivedIsReadAfterTheTimeLimit);
    CPPUNIT_TEST(testARequestThatIsSkippedAfterTheLimitIsRefused);
    CPPUNIT_TEST(testARequestThatIsSkippedWhenItsCallerGivesUpWasNotBegun);
    CPPUNIT_TEST(testARequestWhoseInstanceDiedMayWaitForTheWholeTimeLimitAgain);
    CPPUNIT_TEST(testARequestThatIsWorkedAtForTooLongIsGivenUpAndTheAgentTold);
    CPPUNIT_TEST(testTimeAtWorkBeginsWithTheClaim);
    CPPUNIT_TEST(testAnAnswerWithoutEndTakesTooLong);
    CPPUNIT_TEST(testTimeInTheQueueDoesNotCountAsWorkIfAnInterimAnswerComesFirst);
    CPPUNIT_TEST(testAnAnswerFinishedWithinTheTimeLimitCanBeReadLater);
    CPPUNIT_TEST(testTimeAtWorkEndsWhileTheBodyIsSent);
    CPPUNIT_TEST(testARequestWhoseInstanceWasKilledIsNotRepeated);
    CPPUNIT_TEST(testTheLimitHoldsWhileTheBodyIsSent);
    CPPUNIT_TEST(testAReplyIsWaitingOnceARequestHasTimedOut);
    CPPUNIT_TEST(testTheLimitEndsAWaitForTheClient);
    CPPUNIT_TEST(testAWaitingRequestIsRefusedWhenItsProcessEnds);
    CPPUNIT_TEST(testTheTimeLimitOfARequestHoldsWhileItsProcessEnds);
    CPPUNIT_TEST(testABegunRequestContinuesWhileItsProcessEnds);
    CPPUNIT_TEST_SUITE_END();

    using Kind = Reply::Kind;

    std::shared_ptr<FakeHost> host_;
    std::vector<std::unique_ptr<Exchange>> exchanges_;
    std::vector<char> buffer_;

    /** One more. */
    Exchange &start(const MessageRequest &request = {}) {
        exchanges_.push_back(std::make_unique<Exchange>(host_, host_->options));
        exchanges_.back()->start(request, 0);
        return *exchanges_.back();
    }
    void start(unsigned count) {
        for (unsigned i = 0; i < count; i++) {
            start();
        }
    }
    RefusedException assertRefused() {
        return thrownBy<RefusedException>([this] { start(); });
    }
    Exchange::Event receive(Exchange &exchange, std::chrono::milliseconds timeout = 60s) {
        return exchange.receive(buffer_, -1, timeout);
    }
    void assertTimedOut(const Exchange::Event &event) {
        CPPUNIT_ASSERT(event.endsWith(Kind::REFUSED));
        CPPUNIT_ASSERT_EQUAL(std::uint16_t{504}, event.end->status);
    }

    /** An exchange whose claim was seen. */
    Exchange &begun() {
        Exchange &exchange = start();
        host_->claim(host_->take());
        host_->advance(host_->options.maxQueueTime + 1s);
        CPPUNIT_ASSERT(!exchange.replyWaiting());
        return exchange;
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        host_ = std::make_shared<FakeHost>();
        buffer_.resize(MAX_MESSAGE);
    }

    void tearDown() override {
        exchanges_.clear();
        host_.reset();
        LeakCheck::tearDown();
    }

    void testARequestBeyondInstancesAndQueueIsRefused() {
        host_->setCapacity(2);
        host_->options.maxQueueSize = 3;
        start(5U);
        const auto error = assertRefused();
        CPPUNIT_ASSERT_EQUAL(std::uint16_t{503}, error.status());
        const std::string text = error.what();
        CPPUNIT_ASSERT_MESSAGE(text, text.find("full: 3 requests") != std::string::npos);
        CPPUNIT_ASSERT_MESSAGE(text, text.find("PassengerMaxRequestQueueSize") != std::string::npos);
        CPPUNIT_ASSERT_EQUAL(5U, host_->inFlight());
        CPPUNIT_ASSERT_EQUAL(std::size_t{5}, host_->inFlightEntries());
        for (int i = 0; i < 5; i++) {
            host_->take();
        }
        CPPUNIT_ASSERT(!host_->hasRequest());
    }

    void testClaimsBeyondThePlacesMakeTheQueueNoLonger() {
        host_->options.maxQueueSize = 3;
        host_->setCapacity(0);
        start(1U);
        host_->claim(host_->take());
        start(3U);
        assertRefused();
        host_->setInstances({0, 0, 0, 0});
        exchanges_.resize(3);
        assertRefused();
        exchanges_.resize(2);
        start(1U);
    }

    void testARequestWhoseClientHasLeftMakesTheQueueNoLonger() {
        host_->options.maxQueueSize = 1;
        start();
        host_->claim(host_->take());
        exchanges_.clear();
        host_->setInstances({0, 1, 1, 1});
        start();
        assertRefused();
    }

    void testARequestBeyondItsApplicationsShareIsRefusedWhereItWouldWait() {
        host_->setCapacity(3);
        host_->options.maxQueueSize = 100;
        host_->options.request.maxInFlight = 3;
        start(3U);
        const std::string text = assertRefused().what();
        CPPUNIT_ASSERT_MESSAGE(text, text.find("3 requests") != std::string::npos);
        CPPUNIT_ASSERT_EQUAL(3U, host_->inFlight());
    }

    void testInstancesThatCouldTakeMoreThanTheShareTakeNoMore() {
        host_->setCapacity(100);
        host_->options.maxQueueSize = 100;
        host_->options.request.maxInFlight = 3;
        start(3U);
        assertRefused();
    }

    void testARefusedRequestMayTryAgain() {
        host_->setCapacity(1);
        host_->options.maxQueueSize = 1;
        start(2U);
        Exchange again(host_, host_->options);
        thrownBy<QueueFullException>([&] { again.start({}, 0); });
        thrownBy<QueueFullException>([&] { again.start({}, 0); });
        exchanges_.clear();
        again.start({}, 0);
        CPPUNIT_ASSERT_EQUAL_MESSAGE("It is not counted as refused", std::uint64_t{0}, host_->statistics().refused);
        CPPUNIT_ASSERT_EQUAL(1U, host_->inFlight());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, host_->inFlightEntries());
    }

    void testRequestsOfLowPriorityAreRefusedFirst() {
        host_->setCapacity(1);
        host_->options.maxQueueSize = 8;
        start(3U);
        host_->options.request.priority = Priority::LOW;
        start(1U);  // the one of this second
        const std::string text = assertRefused().what();
        CPPUNIT_ASSERT_MESSAGE(text, text.find("of low priority: 2 requests") != std::string::npos);
        CPPUNIT_ASSERT_MESSAGE(text, text.find("PassengerPriority") != std::string::npos);
        host_->options.request.priority = Priority::NORMAL;
        start(5U);
        CPPUNIT_ASSERT(std::string(assertRefused().what()).find("priority") == std::string::npos);
        host_->options.request.priority = Priority::HIGH;
        start(2U);
        assertRefused();
        host_->advance(2s);
        host_->options.request.priority = Priority::LOW;
        assertRefused();
    }

    void testRequestsOfLowPriorityDoNotStarve() {
        host_->setCapacity(1);
        host_->options.maxQueueSize = 8;
        start(4U);
        host_->options.request.priority = Priority::LOW;
        for (int second = 0; second < 3; second++) {
            start(1U);
            assertRefused();
            host_->advance(1s);
        }
    }

    void testWhileNoInstanceServesTheQueueAloneCounts() {
        host_->setCapacity(0);
        host_->options.maxQueueSize = 2;
        start(2U);
        assertRefused();
    }

    void testWithoutALimitAllMayWait() {
        host_->setCapacity(0);
        start(30U);
    }

    void testAnAnsweredRequestTakesNoPlaceInTheQueue() {
        host_->setCapacity(0);
        host_->options.maxQueueSize = 1;
        Exchange &first = start();
        host_->claim(host_->take());
        host_->send(MessageType::RESPONSE, 1, "", "hello", true);
        receive(first);
        first.complete();
        // Its answer may still be on the way to a slow client.
        start();
        CPPUNIT_ASSERT_EQUAL(1U, host_->inFlight());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, host_->inFlightEntries());
    }

    void testARequestThatIsSentAgainKeepsItsPlace() {
        host_->setCapacity(2);
        host_->options.maxQueueSize = 1;
        start(3U);
        host_->setCapacity(0);
        host_->take();
        host_->send(MessageType::SKIPPED, 1);
        CPPUNIT_ASSERT(receive(*exchanges_.back(), 20ms).endsWith(Kind::TIMED_OUT));
        host_->take();
        host_->take();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, host_->take().header.ticket);
    }

    void testARefusedRequestLeavesACleanChannel() {
        host_->setCapacity(0);
        host_->options.maxQueueSize = 1;
        start();
        assertRefused();
        exchanges_.pop_back();
        CPPUNIT_ASSERT_EQUAL(1U, host_->cleanEnds);
        CPPUNIT_ASSERT_EQUAL(0U, host_->dirtyEnds);
    }

    void testARequestThatWaitsTooLongIsWithdrawnAndRefused() {
        host_->options.maxQueueTime = 1500ms;
        Exchange &exchange = start();
        host_->advance(2s);
        const Exchange::Event event = receive(exchange);
        assertTimedOut(event);
        CPPUNIT_ASSERT_MESSAGE(event.end->text, event.end->text.find("1500 ms") != std::string::npos);
        CPPUNIT_ASSERT_MESSAGE(event.end->text,
                               event.end->text.find("PassengerMaxRequestQueueTime") != std::string::npos);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, host_->mark());
        exchanges_.clear();
        CPPUNIT_ASSERT_EQUAL_MESSAGE("The channel is as good as new", 1U, host_->cleanEnds);
    }

    void testARequestIsRefusedAsSoonAsItsTimeLimitIsReached() {
        host_->options.maxQueueTime = 100ms;
        const auto time = [this] {
            Exchange &exchange = start();
            const auto begin = std::chrono::steady_clock::now();
            assertTimedOut(receive(exchange));
            return std::chrono::steady_clock::now() - begin;
        };
        // The machine may be busy with something else for a while. Who only looks around now and
        // then takes a second each time.
        CPPUNIT_ASSERT(eventually([&] { return time() < 500ms; }));
    }

    void testTheWaitingTimeCountsFromTheFirstTicket() {
        host_->options.maxQueueTime = 10s;
        Exchange &exchange = start();
        host_->advance(6s);
        host_->send(MessageType::SKIPPED, 1);
        CPPUNIT_ASSERT(!exchange.replyWaiting());
        host_->advance(6s);
        assertTimedOut(receive(exchange));
    }

    void testABegunRequestContinuesAfterTheTimeLimitOfTheQueue() {
        host_->options.maxQueueTime = 5s;
        Exchange &exchange = start();
        host_->claim(host_->take());
        host_->advance(6s);
        CPPUNIT_ASSERT(!exchange.replyWaiting());
        host_->clearClaim();
        host_->advance(6s);
        host_->send(MessageType::RESPONSE, 1, "", "hello", true);
        CPPUNIT_ASSERT(!receive(exchange).end);
    }

    void testAnAnswerThatHasArrivedIsReadAfterTheTimeLimit() {
        host_->options.maxQueueTime = 5s;
        Exchange &exchange = start();
        host_->take();
        host_->send(MessageType::RESPONSE, 1, "", "hello", true);
        host_->advance(6s);
        CPPUNIT_ASSERT(!receive(exchange).end);
    }

    void testARequestThatIsSkippedAfterTheLimitIsRefused() {
        host_->options.maxQueueTime = 5s;
        Exchange &exchange = start();
        host_->claim(host_->take());
        host_->advance(6s);
        CPPUNIT_ASSERT(!exchange.replyWaiting());
        host_->clearClaim();
        host_->send(MessageType::SKIPPED, 1);
        assertTimedOut(receive(exchange));
    }

    void testARequestThatIsSkippedWhenItsCallerGivesUpWasNotBegun() {
        Exchange &exchange = start();
        host_->send(MessageType::SKIPPED, 1);
        host_->send(MessageType::SKIPPED, 2);
        CPPUNIT_ASSERT(receive(exchange, 0ms).endsWith(Kind::TIMED_OUT));
        CPPUNIT_ASSERT_EQUAL_MESSAGE("It is withdrawn", std::uint64_t{3}, host_->mark());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, host_->statistics().timedOut);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, host_->statistics().overran);
        exchanges_.clear();
        CPPUNIT_ASSERT_EQUAL_MESSAGE("The channel is as good as new", 1U, host_->cleanEnds);
    }

    void testARequestWhoseInstanceDiedMayWaitForTheWholeTimeLimitAgain() {
        host_->options.maxQueueTime = 5s;
        MessageRequest request;
        request.retryable = true;
        Exchange &exchange = start(request);
        host_->claim(host_->take());
        host_->advance(6s);
        CPPUNIT_ASSERT(!exchange.replyWaiting());
        host_->send(MessageType::LOST, 1);
        CPPUNIT_ASSERT(!exchange.replyWaiting());
        host_->advance(4s);
        CPPUNIT_ASSERT(!exchange.replyWaiting());
        host_->advance(2s);
        CPPUNIT_ASSERT(exchange.replyWaiting());
        assertTimedOut(receive(exchange));
    }

    void testARequestThatIsWorkedAtForTooLongIsGivenUpAndTheAgentTold() {
        host_->options.maxQueueTime = 1s;
        host_->options.maxRequestTime = 5s;
        Exchange &exchange = begun();
        host_->advance(6s);
        const Exchange::Event event = receive(exchange);
        CPPUNIT_ASSERT(event.endsWith(Kind::TIMED_OUT));
        CPPUNIT_ASSERT_MESSAGE(event.end->text, event.end->text.find("PassengerMaxRequestTime") != std::string::npos);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, host_->overrun.size());
        CPPUNIT_ASSERT(Ticket(1) == host_->overrun.front().second);
        exchanges_.clear();
        CPPUNIT_ASSERT_EQUAL_MESSAGE("Whatever comes yet is nobody's", 1U, host_->dirtyEnds);
    }

    void testTimeAtWorkBeginsWithTheClaim() {
        host_->options.maxQueueTime = 10s;
        host_->options.maxRequestTime = 5s;
        Exchange &exchange = start();
        host_->advance(6s);
        CPPUNIT_ASSERT(receive(exchange, 1ms).endsWith(Kind::TIMED_OUT));
        CPPUNIT_ASSERT(host_->overrun.empty());
    }

    void testAnAnswerWithoutEndTakesTooLong() {
        host_->options.maxRequestTime = 5s;
        Exchange &exchange = start();
        host_->claim(host_->take());
        host_->send(MessageType::RESPONSE, 1, "", "some", false);
        CPPUNIT_ASSERT(!receive(exchange).end);
        host_->send(MessageType::DATA, 1, "", "more", false);
        CPPUNIT_ASSERT(!receive(exchange).end);
        host_->advance(6s);
        host_->send(MessageType::DATA, 1, "", "more", false);
        CPPUNIT_ASSERT(receive(exchange).endsWith(Kind::TIMED_OUT));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, host_->overrun.size());
    }

    void testTimeInTheQueueDoesNotCountAsWorkIfAnInterimAnswerComesFirst() {
        host_->options.maxRequestTime = 5s;
        Exchange &exchange = start();
        host_->claim(host_->take());
        host_->advance(6s);
        host_->send(MessageType::INTERIM, 1, "", "", false, 100);
        CPPUNIT_ASSERT(!receive(exchange).end);
        host_->send(MessageType::RESPONSE, 1, "", "hello", true);
        CPPUNIT_ASSERT(!receive(exchange).end);
        CPPUNIT_ASSERT(host_->overrun.empty());
    }

    void testAnAnswerFinishedWithinTheTimeLimitCanBeReadLater() {
        host_->options.maxRequestTime = 5s;
        Exchange &exchange = start();
        host_->claim(host_->take());
        host_->send(MessageType::RESPONSE, 1, "", "some", false);
        CPPUNIT_ASSERT(!receive(exchange).end);
        host_->send(MessageType::DATA, 1, "", "more", true);
        host_->clearClaim();
        host_->advance(6s);
        CPPUNIT_ASSERT(!receive(exchange).end);
        CPPUNIT_ASSERT(host_->overrun.empty());
    }

    void testTimeAtWorkEndsWhileTheBodyIsSent() {
        host_->options.maxQueueTime = 1s;
        host_->options.maxRequestTime = 20ms;
        MessageRequest request;
        request.bodyFollows = true;
        Exchange &exchange = start(request);
        host_->claim(host_->take());
        host_->advance(2s);
        const std::string body(16 * 1024 * 1024, 'x');
        CPPUNIT_ASSERT(exchange.sendBody(body, true) < body.size());
        CPPUNIT_ASSERT(receive(exchange).endsWith(Kind::TIMED_OUT));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, host_->overrun.size());
    }

    void testARequestWhoseInstanceWasKilledIsNotRepeated() {
        MessageRequest request;
        request.retryable = true;
        Exchange &exchange = start(request);
        host_->claim(host_->take());
        host_->send(MessageType::LOST, 1, "", "", true, 502);
        CPPUNIT_ASSERT(receive(exchange).endsWith(Kind::LOST));
        CPPUNIT_ASSERT(!host_->hasRequest());
    }

    void testTheLimitHoldsWhileTheBodyIsSent() {
        host_->options.maxQueueTime = 20ms;
        MessageRequest request;
        request.bodyFollows = true;
        Exchange &exchange = start(request);
        const std::string body(16 * 1024 * 1024, 'x');
        CPPUNIT_ASSERT(exchange.sendBody(body, true) < body.size());
        assertTimedOut(receive(exchange));
    }

    void testAReplyIsWaitingOnceARequestHasTimedOut() {
        host_->options.maxQueueTime = 5s;
        Exchange &exchange = start();
        CPPUNIT_ASSERT(!exchange.replyWaiting());
        host_->advance(6s);
        CPPUNIT_ASSERT(exchange.replyWaiting());
        assertTimedOut(receive(exchange));
    }

    void testTheLimitEndsAWaitForTheClient() {
        host_->options.maxQueueTime = 1s;
        host_->options.maxRequestTime = 5s;
        Exchange &exchange = begun();
        host_->advance(6s);
        CPPUNIT_ASSERT(exchange.awaitReply(-1, ReplySource::Awaited::BYTES, 60s).reply);
        CPPUNIT_ASSERT(exchange.replyWaiting());
        CPPUNIT_ASSERT(receive(exchange).endsWith(Kind::TIMED_OUT));
    }

    void testAWaitingRequestIsRefusedWhenItsProcessEnds() {
        Exchange &exchange = start();
        host_->lastWait = host_->clock().now() + 100ms;
        const Exchange::Event event = receive(exchange);
        CPPUNIT_ASSERT(event.endsWith(Kind::REFUSED));
        CPPUNIT_ASSERT_EQUAL(std::uint16_t{503}, event.end->status);
        CPPUNIT_ASSERT_EQUAL_MESSAGE("It is withdrawn", host_->take().header.ticket, host_->mark());
    }

    void testTheTimeLimitOfARequestHoldsWhileItsProcessEnds() {
        host_->options.maxQueueTime = 50ms;
        Exchange &exchange = start();
        host_->lastWait = host_->clock().now();
        assertTimedOut(receive(exchange));
    }

    void testABegunRequestContinuesWhileItsProcessEnds() {
        Exchange &exchange = start();
        host_->lastWait = host_->clock().now();
        const auto request = host_->take();
        host_->claim(request);
        host_->send(MessageType::RESPONSE, request.header.ticket, "", "begun", true);
        CPPUNIT_ASSERT(!receive(exchange).end);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ExchangeLimitsTest);

}  // namespace Passenger
