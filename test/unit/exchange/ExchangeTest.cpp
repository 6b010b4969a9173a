#include "exchange/Exchange.h"

#include <cppunit/extensions/HelperMacros.h>

#include <future>

#include "io/SocketPair.h"
#include "support/ExchangeFixture.h"
#include "support/Expect.h"

namespace Passenger {

using namespace std::chrono_literals;

class ExchangeTest : public ExchangeFixture {
    CPPUNIT_TEST_SUITE(ExchangeTest);
    CPPUNIT_TEST(testARequestArrivesAsItIsWritten);
    CPPUNIT_TEST(testAnAnswerArrives);
    CPPUNIT_TEST(testAnExchangeIsInTheInFlightTableAndCountedUntilItEnds);
    CPPUNIT_TEST(testASkippedRequestIsSentAgainUnderANewTicket);
    CPPUNIT_TEST(testAnAgentThatEndsWhileItIsAskedForAChannelIsARefusal);
    CPPUNIT_TEST(testALostRequestThatMayBeRepeatedIsSentOnceMore);
    CPPUNIT_TEST(testALostRequestThatMayNotBeRepeatedIsLost);
    CPPUNIT_TEST(testARequestIsNotRepeatedAfterTheFirstByteOfItsAnswer);
    CPPUNIT_TEST(testARecheckOfAnUnclaimedRequestSendsItAgain);
    CPPUNIT_TEST(testARecheckOfAClaimedRequestDoesNotSendItAgain);
    CPPUNIT_TEST(testAnAnswerThatHasArrivedTakesPrecedenceOverARecheck);
    CPPUNIT_TEST(testARefusalOfAnUnclaimedRequestIsAccepted);
    CPPUNIT_TEST(testARefusalOfAClaimedRequestIsIgnored);
    CPPUNIT_TEST(testAClientThatLeavesWithdrawsItsRequest);
    CPPUNIT_TEST(testABegunRequestWhoseClientLeavesIsCutOff);
    CPPUNIT_TEST(testAnAnswerWhoseClientLeavesIsCutOff);
    CPPUNIT_TEST(testAnAnswerThatIsHereIsTakenThoughItsClientHasLeft);
    CPPUNIT_TEST(testARequestWhoseClientLeavesWhileItsBodyIsSentIsWithdrawn);
    CPPUNIT_TEST(testWhenTimeIsUpAWaitingRequestIsWithdrawn);
    CPPUNIT_TEST(testWhenTimeIsUpABegunRequestIsCutOff);
    CPPUNIT_TEST(testARequestThatNoInstanceHasIsSentAgainWithoutAMessage);
    CPPUNIT_TEST(testARequestWhoseClaimVanishesWithoutAnAnswerIsLost);
    CPPUNIT_TEST(testARequestWhoseClaimVanishedIsWithdrawn);
    CPPUNIT_TEST(testARequestWhoseChannelEndsIsLost);
    CPPUNIT_TEST(testAClosedGenerationIsFollowedByTheNext);
    CPPUNIT_TEST(testAQueueThatIsClosedRepeatedlyIsGivenUp);
    CPPUNIT_TEST(testTheReasonForAClosedQueueIsPassedOn);
    CPPUNIT_TEST(testAFullQueueIsRefused);
    CPPUNIT_TEST(testStaleMessagesAreDropped);
    CPPUNIT_TEST(testTooManyStaleMessagesBreakTheChannel);
    CPPUNIT_TEST(testAMessageOfUnknownTypeBreaksTheChannel);
    CPPUNIT_TEST(testATooLongMessageBreaksTheChannel);
    CPPUNIT_TEST(testAChannelIsUsedAgainAfterACleanEnd);
    CPPUNIT_TEST(testAnUnfinishedExchangeIsWithdrawnAndItsChannelEnded);
    CPPUNIT_TEST(testTheAgentIsWokenWhenAllInstancesAreTaken);
    CPPUNIT_TEST(testAReplyIsWaitingOnceItHasArrived);
    CPPUNIT_TEST(testAMessageOfTheAgentThatAnInstanceSendsBreaksTheChannel);
    CPPUNIT_TEST_SUITE_END();

    void start(bool retryable = false) {
        MessageRequest request;
        request.environment = std::string_view("NAME\0value\0", 11);
        request.retryable = retryable;
        exchange_->start(request, 0);
    }
    void assertAnswered(const std::string &body) {
        const Exchange::Event event = receive();
        CPPUNIT_ASSERT(!event.end);
        CPPUNIT_ASSERT(event.header.type == MessageType::RESPONSE);
        CPPUNIT_ASSERT_EQUAL(body, std::string(event.payload.data(), event.payload.size()));
    }

public:
    void setUp() override {
        ExchangeFixture::setUp();
        makeExchange();
    }

    void testARequestArrivesAsItIsWritten() {
        MessageRequest request;
        request.environment = std::string_view("NAME\0value\0", 11);
        request.body = "small";
        request.headRequest = true;
        exchange_->start(request, 0);
        const FakeHost::Request taken = host_->take();
        CPPUNIT_ASSERT_EQUAL(std::string(request.environment), taken.environment);
        CPPUNIT_ASSERT_EQUAL(std::string("small"), taken.body);
        CPPUNIT_ASSERT_EQUAL(unsigned{LAYOUT_VERSION}, unsigned{taken.header.version});
        CPPUNIT_ASSERT_EQUAL(unsigned{HEAD_REQUEST}, unsigned{taken.header.flags});
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, taken.header.ticket);
        CPPUNIT_ASSERT(taken.header.sentAt > 0);
        CPPUNIT_ASSERT(exchange_->bodyDone());
    }

    void testAnAnswerArrives() {
        start();
        host_->claim(host_->take());
        host_->send(MessageType::RESPONSE, 1, "", "hello", true);
        assertAnswered("hello");
    }

    void testAnExchangeIsInTheInFlightTableAndCountedUntilItEnds() {
        start();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, host_->inFlightEntries());
        CPPUNIT_ASSERT_EQUAL(1U, host_->inFlight());
        exchange_.reset();
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, host_->inFlightEntries());
        CPPUNIT_ASSERT_EQUAL(0U, host_->inFlight());
    }

    void testASkippedRequestIsSentAgainUnderANewTicket() {
        start();
        host_->take();
        host_->send(MessageType::SKIPPED, 1);
        host_->send(MessageType::RESPONSE, 2, "", "hello", true);
        assertAnswered("hello");
        const FakeHost::Request again = host_->take();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, again.header.ticket);
        CPPUNIT_ASSERT_EQUAL(std::uint16_t{1}, again.header.resends);
        CPPUNIT_ASSERT_EQUAL(1U, host_->inFlight());
    }

    void testAnAgentThatEndsWhileItIsAskedForAChannelIsARefusal() {
        start();
        host_->take();
        host_->send(MessageType::SKIPPED, 1);
        host_->agentEnds = true;
        CPPUNIT_ASSERT(receive().endsWith(Reply::Kind::REFUSED));
    }

    void testALostRequestThatMayBeRepeatedIsSentOnceMore() {
        start(true);
        host_->claim(host_->take());
        host_->send(MessageType::LOST, 1);
        host_->send(MessageType::LOST, 2);
        CPPUNIT_ASSERT(receive().endsWith(Kind::LOST));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, host_->take().header.ticket);
        CPPUNIT_ASSERT(!host_->hasRequest());
    }

    void testALostRequestThatMayNotBeRepeatedIsLost() {
        start(false);
        host_->take();
        host_->send(MessageType::LOST, 1);
        CPPUNIT_ASSERT(receive().endsWith(Kind::LOST));
        CPPUNIT_ASSERT(!host_->hasRequest());
    }

    void testARequestIsNotRepeatedAfterTheFirstByteOfItsAnswer() {
        start(true);
        host_->claim(host_->take());
        host_->send(MessageType::RESPONSE, 1, "", "hel");
        host_->send(MessageType::LOST, 1);
        assertAnswered("hel");
        CPPUNIT_ASSERT(receive().endsWith(Kind::LOST));
        CPPUNIT_ASSERT(!host_->hasRequest());
    }

    void testARecheckOfAnUnclaimedRequestSendsItAgain() {
        start();
        host_->take();
        host_->send(MessageType::RECHECK, 1);
        CPPUNIT_ASSERT(receive(50ms).endsWith(Kind::TIMED_OUT));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, host_->take().header.ticket);
        CPPUNIT_ASSERT_MESSAGE("An instance that wakes up with the first one must not run it", host_->mark() >= 1);
    }

    void testARecheckOfAClaimedRequestDoesNotSendItAgain() {
        start();
        host_->claim(host_->take());
        host_->send(MessageType::RECHECK, 1);
        host_->send(MessageType::RESPONSE, 1, "", "hello", true);
        assertAnswered("hello");
        CPPUNIT_ASSERT(!host_->hasRequest());
    }

    void testAnAnswerThatHasArrivedTakesPrecedenceOverARecheck() {
        start();
        host_->take();
        host_->send(MessageType::RECHECK, 1);
        host_->send(MessageType::RESPONSE, 1, "", "hello", true);
        // Its claim is cleared by now.
        assertAnswered("hello");
        CPPUNIT_ASSERT(!host_->hasRequest());
    }

    void testARefusalOfAnUnclaimedRequestIsAccepted() {
        start();
        host_->send(MessageType::REFUSED, 1, "deadbeef", "It does not boot.", true, 500);
        const Exchange::Event event = receive();
        CPPUNIT_ASSERT(event.endsWith(Kind::REFUSED));
        CPPUNIT_ASSERT_EQUAL(std::uint16_t{500}, event.end->status);
        CPPUNIT_ASSERT_EQUAL(std::string("deadbeef"), event.end->reportId);
        CPPUNIT_ASSERT_EQUAL(std::string("It does not boot."), event.end->text);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, host_->mark());
    }

    void testARefusalOfAClaimedRequestIsIgnored() {
        start();
        host_->claim(host_->take());
        host_->send(MessageType::REFUSED, 1, "deadbeef", "It does not boot.", true, 500);
        host_->send(MessageType::RESPONSE, 1, "", "hello", true);
        assertAnswered("hello");
    }

    void testAClientThatLeavesWithdrawsItsRequest() {
        start();
        DescriptorPair client = makeStreamPair();
        client.second.reset();
        CPPUNIT_ASSERT(receive(60s, client.first.get()).endsWith(Kind::CLIENT_LEFT));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, host_->mark());
        exchange_.reset();
        CPPUNIT_ASSERT_EQUAL_MESSAGE("The channel is as good as new", 1U, host_->cleanEnds);
    }

    void testABegunRequestWhoseClientLeavesIsCutOff() {
        start(true);
        host_->claim(host_->take());
        DescriptorPair client = makeStreamPair();
        client.second.reset();
        CPPUNIT_ASSERT(receive(60s, client.first.get()).endsWith(Kind::CLIENT_LEFT));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, host_->mark());
        exchange_.reset();
        CPPUNIT_ASSERT_EQUAL(1U, host_->dirtyEnds);
        CPPUNIT_ASSERT_MESSAGE("The instance finds the channel's end", !host_->receive());
        CPPUNIT_ASSERT_MESSAGE("The request is not sent again", !host_->hasRequest());
    }

    void testAnAnswerWhoseClientLeavesIsCutOff() {
        start();
        host_->claim(host_->take());
        host_->send(MessageType::RESPONSE, 1);
        DescriptorPair client = makeStreamPair();
        CPPUNIT_ASSERT(!receive(60s, client.first.get()).end);
        client.second.reset();
        CPPUNIT_ASSERT(receive(60s, client.first.get()).endsWith(Kind::CLIENT_LEFT));
        exchange_.reset();
        CPPUNIT_ASSERT_EQUAL(1U, host_->dirtyEnds);
    }

    void testAnAnswerThatIsHereIsTakenThoughItsClientHasLeft() {
        start();
        host_->claim(host_->take());
        host_->send(MessageType::RESPONSE, 1, "", "hello", LAST);
        DescriptorPair client = makeStreamPair();
        client.second.reset();
        CPPUNIT_ASSERT(!receive(60s, client.first.get()).end);
        exchange_->complete();
        exchange_.reset();
        CPPUNIT_ASSERT_EQUAL(1U, host_->cleanEnds);
    }

    void testARequestWhoseClientLeavesWhileItsBodyIsSentIsWithdrawn() {
        DescriptorPair client = makeStreamPair();
        client.second.reset();
        MessageRequest request;
        request.environment = std::string_view("NAME\0value\0", 11);
        request.bodyFollows = true;
        request.client = client.first.get();
        exchange_->start(request, 0);
        const std::string body(4 * 1024 * 1024, 'x');
        CPPUNIT_ASSERT(exchange_->sendBody(body, true) < body.size());
        CPPUNIT_ASSERT(receive().endsWith(Kind::CLIENT_LEFT));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, host_->mark());
    }

    void testWhenTimeIsUpAWaitingRequestIsWithdrawn() {
        start();
        CPPUNIT_ASSERT(receive(10ms).endsWith(Kind::TIMED_OUT));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, host_->mark());
    }

    void testWhenTimeIsUpABegunRequestIsCutOff() {
        start();
        host_->claim(host_->take());
        CPPUNIT_ASSERT(receive(10ms).endsWith(Kind::TIMED_OUT));
        exchange_.reset();
        CPPUNIT_ASSERT_EQUAL(1U, host_->dirtyEnds);
        CPPUNIT_ASSERT(!host_->receive());
    }

    void testARequestThatNoInstanceHasIsSentAgainWithoutAMessage() {
        start();
        host_->take();
        auto instance = std::async(std::launch::async, [this] { return host_->serveNext(); });
        assertAnswered("hello");
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, instance.get());
    }

    void testARequestWhoseClaimVanishesWithoutAnAnswerIsLost() {
        start();
        host_->claim(host_->take());
        // The agent's word is lost with the agent; the next one clears what the dead instance had
        // claimed.
        host_->send(MessageType::RECHECK, 1);
        CPPUNIT_ASSERT(!exchange_->replyWaiting());
        host_->clearClaim();
        CPPUNIT_ASSERT(receive().endsWith(Kind::LOST));
    }

    void testARequestWhoseClaimVanishedIsWithdrawn() {
        start();
        host_->claim(host_->take());
        host_->send(MessageType::RECHECK, 1);
        CPPUNIT_ASSERT(!exchange_->replyWaiting());
        host_->clearClaim();
        host_->clearMark();
        CPPUNIT_ASSERT(receive(50ms).endsWith(Kind::LOST));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, host_->mark());
    }

    void testARequestWhoseChannelEndsIsLost() {
        start();
        host_->claim(host_->take());
        host_->prepare();  // The only other end goes.
        CPPUNIT_ASSERT(receive().endsWith(Kind::LOST));
    }

    void testAClosedGenerationIsFollowedByTheNext() {
        host_->closeQueue();
        start();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, host_->take().header.ticket);
        CPPUNIT_ASSERT_EQUAL(1U, host_->inFlight());
    }

    void testAQueueThatIsClosedRepeatedlyIsGivenUp() {
        host_->closeQueue();
        host_->closesAlways = true;
        thrownBy<IOException>([this] { start(); });
        CPPUNIT_ASSERT_EQUAL(0U, host_->inFlight());
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, host_->inFlightEntries());
    }

    void testTheReasonForAClosedQueueIsPassedOn() {
        host_->closeQueue();
        host_->refusal.emplace(500, "deadbeef", "It does not boot.");
        const auto error = thrownBy<RefusedException>([this] { start(); });
        CPPUNIT_ASSERT_EQUAL(std::string("deadbeef"), error.reportId());
    }

    void testAFullQueueIsRefused() {
        const QueueLinkPtr link = host_->link(host_->options, Generation());
        const std::string large(60000, 'x');
        while (RequestQueue::send(link->sending.get(), RequestHeader{}, large, "") == RequestQueue::Outcome::QUEUED) {
        }
        const auto error = thrownBy<RefusedException>([this] {
            MessageRequest request;
            const std::string environment(60000, 'x');
            request.environment = environment;
            exchange_->start(request, 0);
        });
        CPPUNIT_ASSERT_EQUAL(std::uint16_t{503}, error.status());
        CPPUNIT_ASSERT_EQUAL(0U, host_->inFlight());
    }

    void testStaleMessagesAreDropped() {
        start();
        host_->claim(host_->take());
        host_->send(MessageType::RESPONSE, 99, "", "somebody else's", true);
        host_->sendRaw("short");
        host_->send(MessageType::RESPONSE, 1, "", "hello", true);
        assertAnswered("hello");
    }

    void testTooManyStaleMessagesBreakTheChannel() {
        start();
        host_->claim(host_->take());
        auto instance = std::async(std::launch::async, [this] {
            try {
                for (int i = 0; i < 100; i++) {
                    host_->send(MessageType::DATA, 99, "", std::string(60000, 'x'));
                }
                return false;
            } catch (const SystemException &) {
                return true;
            }
        });
        CPPUNIT_ASSERT(receive().endsWith(Kind::BROKEN));
        exchange_.reset();
        CPPUNIT_ASSERT_MESSAGE("Who was still writing is freed", instance.get());
    }

    void testAMessageOfUnknownTypeBreaksTheChannel() {
        start();
        host_->send(static_cast<MessageType>(77), 1);
        CPPUNIT_ASSERT(receive().endsWith(Kind::BROKEN));
    }

    void testATooLongMessageBreaksTheChannel() {
        start();
        host_->sendRaw(std::string(MAX_MESSAGE + 1, 'x'));
        const Exchange::Event event = receive();
        CPPUNIT_ASSERT(event.endsWith(Kind::BROKEN));
        CPPUNIT_ASSERT(!event.end->text.empty());
    }

    void testAChannelIsUsedAgainAfterACleanEnd() {
        start();
        host_->take();
        host_->send(MessageType::RESPONSE, 1, "", "hello", true);
        assertAnswered("hello");
        exchange_->complete();
        makeExchange();
        start();
        const FakeHost::Request second = host_->take();
        CPPUNIT_ASSERT_EQUAL(1U, host_->channelsMade);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, second.header.ticket);
        CPPUNIT_ASSERT_EQUAL(std::uint16_t{0}, second.header.resends);
    }

    void testAnUnfinishedExchangeIsWithdrawnAndItsChannelEnded() {
        start();
        exchange_.reset();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, host_->mark());
        CPPUNIT_ASSERT_EQUAL(1U, host_->dirtyEnds);
        CPPUNIT_ASSERT(!host_->receive());
    }

    void testTheAgentIsWokenWhenAllInstancesAreTaken() {
        host_->setCapacity(1);
        start();
        CPPUNIT_ASSERT_EQUAL(0U, host_->woken);
        std::vector<std::unique_ptr<Exchange>> more;
        for (int i = 0; i < 2; i++) {
            more.push_back(std::make_unique<Exchange>(host_, host_->options));
            more.back()->start(MessageRequest{}, 0);
        }
        CPPUNIT_ASSERT_EQUAL_MESSAGE("Once is enough", 1U, host_->woken);
    }

    void testAReplyIsWaitingOnceItHasArrived() {
        start();
        host_->claim(host_->take());
        CPPUNIT_ASSERT(!exchange_->replyWaiting());
        host_->send(MessageType::RESPONSE, 1, "", "hello", true);
        CPPUNIT_ASSERT(exchange_->replyWaiting());
        assertAnswered("hello");
    }

    void testAMessageOfTheAgentThatAnInstanceSendsBreaksTheChannel() {
        for (const MessageType type : {MessageType::LOST, MessageType::RECHECK, MessageType::REFUSED}) {
            for (const std::size_t size : {std::size_t{0}, CHANNEL_SECRET, CHANNEL_SECRET + 9}) {
                makeExchange();
                start(true);
                MessageHeader header{};
                header.ticket = host_->take().header.ticket;
                header.type = type;
                header.status = 200;
                host_->sendRaw(std::string(reinterpret_cast<const char *>(&header), sizeof(header)) +
                               std::string(size, 'x'));
                const Exchange::Event event = receive();
                CPPUNIT_ASSERT(event.endsWith(Kind::BROKEN));
                CPPUNIT_ASSERT(event.end->text.find("only the agent may send") != std::string::npos);
                CPPUNIT_ASSERT(!host_->hasRequest());
            }
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ExchangeTest);

}  // namespace Passenger
