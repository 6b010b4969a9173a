#include <cppunit/extensions/HelperMacros.h>

#include "exchange/Exchange.h"
#include "io/SocketPair.h"
#include "support/Eventually.h"
#include "support/ExchangeFixture.h"
#include "support/Expect.h"

namespace Passenger {

using namespace std::chrono_literals;

/** What is counted of requests, and which times. */
class ExchangeStatisticsTest : public ExchangeFixture {
    CPPUNIT_TEST_SUITE(ExchangeStatisticsTest);
    CPPUNIT_TEST(testAnAnswerCountsItsTimeInTheQueueAndItsTimeInTheInstance);
    CPPUNIT_TEST(testAnAnswerCountsWhenItsLastMessageArrived);
    CPPUNIT_TEST(testTheReportedQueueTimeIsLimitedToTheMeasuredTime);
    CPPUNIT_TEST(testTheWaitUnderEarlierTicketsCounts);
    CPPUNIT_TEST(testTheTimeInAnInstanceThatDiedDoesNotCount);
    CPPUNIT_TEST(testARequestWhoseInstanceDiesCountsAsLost);
    CPPUNIT_TEST(testARequestWhoseAnswerIsCutCountsAsLost);
    CPPUNIT_TEST(testARequestWithoutAValidAnswerCountsAsLost);
    CPPUNIT_TEST(testARequestThatIsInWorkForTooLongCountsAsOverrun);
    CPPUNIT_TEST(testARequestForWhichNoInstanceStartsCountsAsNotStarted);
    CPPUNIT_TEST(testAnAnswerThatItsCallerDoesNotReadToTheEndCountsByTheCallersReason);
    CPPUNIT_TEST(testTheTimesOfAnAnswerEndWithItsLastMessage);
    CPPUNIT_TEST(testARequestForWhichTheQueueIsFullCounts);
    CPPUNIT_TEST(testARequestThatWaitedTooLongCountsWithItsWait);
    CPPUNIT_TEST(testARequestThatWaitedTooLongForItsCallerCountsWithItsWait);
    CPPUNIT_TEST(testAClientThatLeavesWhileItWaitsCountsWithItsWait);
    CPPUNIT_TEST(testAClientThatLeavesABegunRequestCountsWithTheWaitForItsInstance);
    CPPUNIT_TEST(testAnExchangeThatEndsWhileItWaitsCountsWithItsWait);
    CPPUNIT_TEST(testAnExchangeThatEndsWhileItRunsCountsAsLost);
    CPPUNIT_TEST(testAStreamCountsFromItsOpeningToItsEnd);
    CPPUNIT_TEST(testARefusedStreamDoesNotCountAsAnswered);
    CPPUNIT_TEST_SUITE_END();

    void start(const MessageRequest &request = {}, std::uint8_t flags = 0) {
        makeExchange();
        ExchangeFixture::start(request, flags);
    }
    void answer(std::uint64_t ticket, std::chrono::microseconds queued) {
        host_->queued = static_cast<std::uint32_t>(queued.count());
        host_->send(MessageType::RESPONSE, ticket, "", "hello", true);
        CPPUNIT_ASSERT(!receive().end);
        exchange_->complete();
    }
    /** One time was counted, and this one. */
    static void assertTime(std::chrono::nanoseconds expected, const LogHistogram &histogram) {
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, histogram.total());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, histogram.counts[LogHistogram::bucket(expected)]);
    }
    void assertCounted(std::uint64_t completed, std::uint64_t refused, std::uint64_t timedOut,
                       std::uint64_t left) const {
        const GroupStatistics statistics = host_->statistics();
        CPPUNIT_ASSERT_EQUAL(completed, statistics.completed);
        CPPUNIT_ASSERT_EQUAL(refused, statistics.refused);
        CPPUNIT_ASSERT_EQUAL(timedOut, statistics.timedOut);
        CPPUNIT_ASSERT_EQUAL(left, statistics.left);
        CPPUNIT_ASSERT_EQUAL(completed, statistics.serviceTime.total());
        CPPUNIT_ASSERT_EQUAL(completed + timedOut + left, statistics.queueTime.total());
    }
    /** These were counted, and nothing else. */
    void assertFailed(std::uint64_t lost, std::uint64_t overran, std::uint64_t notStarted) const {
        assertCounted(0, 0, 0, 0);
        const GroupStatistics statistics = host_->statistics();
        CPPUNIT_ASSERT_EQUAL(lost, statistics.lost);
        CPPUNIT_ASSERT_EQUAL(overran, statistics.overran);
        CPPUNIT_ASSERT_EQUAL(notStarted, statistics.notStarted);
    }

public:
    void testAnAnswerCountsItsTimeInTheQueueAndItsTimeInTheInstance() {
        start();
        host_->advance(7s);
        answer(1, 2s);
        assertCounted(1, 0, 0, 0);
        assertTime(2s, host_->statistics().queueTime);
        assertTime(5s, host_->statistics().serviceTime);
        exchange_.reset();
        assertCounted(1, 0, 0, 0);
    }

    void testAnAnswerCountsWhenItsLastMessageArrived() {
        start();
        host_->send(MessageType::RESPONSE, 1, "", "hel");
        receive();
        assertCounted(0, 0, 0, 0);
        host_->advance(5s);
        host_->send(MessageType::DATA, 1, "", "lo", true);
        receive();
        exchange_->complete();
        assertTime(5s, host_->statistics().serviceTime);
    }

    void testTheReportedQueueTimeIsLimitedToTheMeasuredTime() {
        start();
        host_->advance(1500ms);
        host_->queued = UINT32_MAX;
        host_->send(MessageType::RESPONSE, 1, "", "hello", true);
        receive();
        exchange_->complete();
        assertTime(1500ms, host_->statistics().queueTime);
        assertTime(0s, host_->statistics().serviceTime);
    }

    void testTheWaitUnderEarlierTicketsCounts() {
        start();
        host_->advance(5s);
        host_->send(MessageType::SKIPPED, 1);
        CPPUNIT_ASSERT(!exchange_->replyWaiting());
        host_->advance(1400ms);
        answer(2, 1s);
        assertTime(6s, host_->statistics().queueTime);
        assertTime(400ms, host_->statistics().serviceTime);
    }

    void testTheTimeInAnInstanceThatDiedDoesNotCount() {
        MessageRequest request;
        request.retryable = true;
        start(request);
        host_->claim(host_->take());
        host_->advance(20s);
        host_->send(MessageType::LOST, 1);
        CPPUNIT_ASSERT(!exchange_->replyWaiting());
        host_->advance(7s);
        answer(2, 2s);
        assertTime(2s, host_->statistics().queueTime);
        assertTime(5s, host_->statistics().serviceTime);
    }

    void testARequestWhoseInstanceDiesCountsAsLost() {
        start();
        host_->claim(host_->take());
        host_->send(MessageType::LOST, 1);
        CPPUNIT_ASSERT(receive().endsWith(Kind::LOST));
        exchange_.reset();
        assertFailed(1, 0, 0);
    }

    void testARequestWhoseAnswerIsCutCountsAsLost() {
        start();
        host_->claim(host_->take());
        host_->send(MessageType::RESPONSE, 1, "", "hel");
        receive();
        assertFailed(0, 0, 0);
        host_->send(MessageType::LOST, 1);
        CPPUNIT_ASSERT(receive().endsWith(Kind::LOST));
        exchange_->giveUp(RequestProgress::End::MALFORMED);
        exchange_.reset();
        assertFailed(1, 0, 0);
    }

    void testARequestWithoutAValidAnswerCountsAsLost() {
        start();
        host_->claim(host_->take());
        host_->send(static_cast<MessageType>(99), 1);
        CPPUNIT_ASSERT(receive().endsWith(Kind::BROKEN));
        exchange_.reset();
        assertFailed(1, 0, 0);
    }

    void testARequestThatIsInWorkForTooLongCountsAsOverrun() {
        host_->options.maxRequestTime = 4s;
        start();
        host_->claim(host_->take());
        host_->send(MessageType::RESPONSE, 1, "", "hel");
        receive();
        host_->advance(5s);
        CPPUNIT_ASSERT(receive().endsWith(Kind::TIMED_OUT));
        exchange_.reset();
        assertFailed(0, 1, 0);
    }

    void testARequestForWhichNoInstanceStartsCountsAsNotStarted() {
        start();
        host_->send(MessageType::REFUSED, 1, "", "It does not boot.", true, 500);
        CPPUNIT_ASSERT(receive().endsWith(Kind::REFUSED));
        exchange_.reset();
        assertFailed(0, 0, 1);
    }

    void testAnAnswerThatItsCallerDoesNotReadToTheEndCountsByTheCallersReason() {
        using End = RequestProgress::End;
        for (const End why : {End::TAKEN, End::CLIENT_LEFT, End::MALFORMED}) {
            host_ = std::make_shared<FakeHost>();
            start();
            host_->claim(host_->take());
            host_->send(MessageType::RESPONSE, 1, "", "hel");
            receive();
            exchange_->giveUp(why);
            exchange_->giveUp(why);
            exchange_.reset();
            assertCounted(why == End::TAKEN ? 1 : 0, 0, 0, why == End::CLIENT_LEFT ? 1 : 0);
            CPPUNIT_ASSERT_EQUAL(std::uint64_t{why == End::MALFORMED ? 1U : 0U}, host_->statistics().lost);
        }
    }

    void testTheTimesOfAnAnswerEndWithItsLastMessage() {
        start();
        host_->advance(7s);
        host_->queued = 2'000'000;
        host_->send(MessageType::RESPONSE, 1, "", "hello", true);
        receive();
        exchange_->complete();
        host_->advance(1000s);
        CPPUNIT_ASSERT(exchange_->times()->service < 6s);
        exchange_.reset();
        assertTime(5s, host_->statistics().serviceTime);
    }

    void testARequestForWhichTheQueueIsFullCounts() {
        host_->setCapacity(0);
        host_->options.maxQueueSize = 1;
        Exchange first(host_, host_->options);
        first.start(MessageRequest{}, 0);
        thrownBy<RefusedException>([this] { start(); });
        assertCounted(0, 0, 0, 0);
        // It did not try again.
        exchange_.reset();
        assertCounted(0, 1, 0, 0);
    }

    void testARequestThatWaitedTooLongCountsWithItsWait() {
        host_->options.maxQueueTime = 4s;
        start();
        host_->advance(5s);
        CPPUNIT_ASSERT(receive().endsWith(Kind::REFUSED));
        assertCounted(0, 0, 1, 0);
        assertTime(5s, host_->statistics().queueTime);
        exchange_.reset();
        assertCounted(0, 0, 1, 0);
    }

    void testARequestThatWaitedTooLongForItsCallerCountsWithItsWait() {
        start();
        host_->advance(5s);
        CPPUNIT_ASSERT(receive(10ms).endsWith(Kind::TIMED_OUT));
        assertCounted(0, 0, 1, 0);
        assertTime(5s, host_->statistics().queueTime);
    }

    void testAClientThatLeavesWhileItWaitsCountsWithItsWait() {
        start();
        host_->advance(5s);
        DescriptorPair client = makeStreamPair();
        client.second.reset();
        CPPUNIT_ASSERT(receive(60s, client.first.get()).endsWith(Kind::CLIENT_LEFT));
        exchange_.reset();
        assertCounted(0, 0, 0, 1);
        assertTime(5s, host_->statistics().queueTime);
    }

    void testAClientThatLeavesABegunRequestCountsWithTheWaitForItsInstance() {
        start();
        host_->claim(host_->take());
        host_->advance(5s);
        DescriptorPair client = makeStreamPair();
        client.second.reset();
        CPPUNIT_ASSERT(receive(60s, client.first.get()).endsWith(Kind::CLIENT_LEFT));
        exchange_.reset();
        assertCounted(0, 0, 0, 1);
        assertTime(5s, host_->statistics().queueTime);
    }

    void testAnExchangeThatEndsWhileItWaitsCountsWithItsWait() {
        start();
        host_->advance(5s);
        exchange_.reset();
        assertCounted(0, 0, 0, 1);
        assertTime(5s, host_->statistics().queueTime);
    }

    void testAnExchangeThatEndsWhileItRunsCountsAsLost() {
        start();
        host_->claim(host_->take());
        exchange_.reset();
        assertFailed(1, 0, 0);
        start();
        host_->send(MessageType::RESPONSE, 1);
        exchange_.reset();
        assertFailed(2, 0, 0);
    }

    void testAStreamCountsFromItsOpeningToItsEnd() {
        start({}, STREAM);
        host_->advance(1500ms);
        host_->send(MessageType::ACCEPTED, 1, "", "", false, 0);
        CPPUNIT_ASSERT(!receive().end);
        exchange_->complete();
        assertCounted(0, 0, 0, 0);
        CPPUNIT_ASSERT_EQUAL(1U, host_->inFlight());
        host_->advance(5s);
        exchange_.reset();
        assertCounted(1, 0, 0, 0);
        assertTime(1500ms, host_->statistics().queueTime);
        assertTime(5s, host_->statistics().serviceTime);
    }

    void testARefusedStreamDoesNotCountAsAnswered() {
        start({}, STREAM);
        host_->send(MessageType::REFUSED, 1, "", "It does not boot.", true, 500);
        CPPUNIT_ASSERT(receive().endsWith(Kind::REFUSED));
        exchange_.reset();
        assertCounted(0, 0, 0, 0);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ExchangeStatisticsTest);

}  // namespace Passenger
