#include "exchange/BodySender.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <future>

#include "exchange/Exchange.h"
#include "support/CrowdedDescriptors.h"
#include "support/ExchangeFixture.h"
#include "support/Expect.h"

namespace Passenger {

using namespace std::chrono_literals;

class BodySenderTest : public ExchangeFixture {
    CPPUNIT_TEST_SUITE(BodySenderTest);
    CPPUNIT_TEST(testASmallBodyIsOneMessage);
    CPPUNIT_TEST(testABodyLargerThanTheChannelIsSentInPieces);
    CPPUNIT_TEST(testABodyMayEndWithAnEmptyPiece);
    CPPUNIT_TEST(testABodyInAFileIsSentAsADescriptor);
    CPPUNIT_TEST(testAFileIsSentAfterALongHead);
    CPPUNIT_TEST(testAFileIsSentAgainIfItsChannelHasEnded);
    CPPUNIT_TEST(testAFileIsSentInPiecesIfTooManyDescriptorsAreInFlight);
    CPPUNIT_TEST(testAFileInPiecesIsSentAgainOnAnotherChannel);
    CPPUNIT_TEST(testAnAnswerInterruptsTheBody);
    CPPUNIT_TEST(testAnAnswerWaitsWhileTheInstanceReadsTheBody);
    CPPUNIT_TEST(testTheRestOfALongHeadIsSentInBodyMessages);
    CPPUNIT_TEST(testALongHeadIsSentBeforeTheBody);
    CPPUNIT_TEST(testTheLongestHeadIsSent);
    CPPUNIT_TEST(testALongerHeadIsRefused);
    CPPUNIT_TEST(testABodyThatDoesNotFitItsRequestIsRefused);
    CPPUNIT_TEST(testAChannelWithUnreadBodyIsNotUsedAgain);
    CPPUNIT_TEST(testAChannelWhoseBodyWasReadIsUsedAgain);
    CPPUNIT_TEST(testARequestWhoseBodyIsBeingSentIsNotRepeated);
    CPPUNIT_TEST(testBodyMessagesOfAnEarlierTicketAreKept);
    CPPUNIT_TEST(testAnUnreadBodyIsSentAgainIfItsChannelHasEnded);
    CPPUNIT_TEST(testAWholeBodyIsSentAgainIfItsChannelEndsBeforeTheAnswer);
    CPPUNIT_TEST(testABegunRequestIsLostIfItsChannelEnds);
    CPPUNIT_TEST(testTheBodyOfARequestThatWasNotBegunIsSentOnAnotherChannel);
    CPPUNIT_TEST(testAnAnswerInAChannelThatHasEndedIsReceived);
    CPPUNIT_TEST(testAChannelThatTheInstanceClosesOnlyForReadingIsBroken);
    CPPUNIT_TEST(testAFileIsSentInPiecesIfInstancesHaveNotTakenThoseBefore);
    CPPUNIT_TEST(testAFileThatAnInstanceHasTakenIsNoLongerInFlight);
    CPPUNIT_TEST_SUITE_END();

    std::string environment_;
    DescriptorSender givenTo_;
    FileDescriptor file_;

    void start(bool bodyFollows, bool retryable = false) {
        MessageRequest request;
        request.environment = environment_;
        request.bodyFollows = bodyFollows;
        request.retryable = retryable;
        exchange_->start(request, 0);
    }
    void startWithFile(const std::string &body = "body") {
        file_ = FileDescriptor(memfd_create("body", MFD_CLOEXEC));
        CPPUNIT_ASSERT_EQUAL(static_cast<ssize_t>(body.size()), pwrite(file_.get(), body.data(), body.size(), 0));
        MessageRequest request;
        request.environment = environment_;
        request.bodyFollows = true;
        request.bodyFile = file_.get();
        request.bodyFileSize = body.size();
        request.bodyFileGiven = [this](DescriptorSender application) { givenTo_ = application; };
        exchange_->start(request, 0);
    }
    static std::string fileOf(const FakeHost::Message &message) {
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, message.descriptors.size());
        std::string bytes(100, '\0');
        bytes.resize(static_cast<std::size_t>(pread(message.descriptors[0].get(), bytes.data(), bytes.size(), 0)));
        return bytes;
    }
    /** The first step of receive(). */
    void sendFile() {
        exchange_->sendBody("", true);
        CPPUNIT_ASSERT(exchange_->bodyDone());
    }
    void awaitInVain() { CPPUNIT_ASSERT(receive(50ms).endsWith(Kind::TIMED_OUT)); }
    void answer() {
        host_->send(MessageType::RESPONSE, 1, "", "hello", true);
        CPPUNIT_ASSERT(!receive().end);
        exchange_->complete();
        exchange_.reset();
    }

public:
    void setUp() override {
        ExchangeFixture::setUp();
        makeExchange();
        environment_ = std::string("NAME\0value\0", 11);
    }

    void tearDown() override {
        file_.reset();
        ExchangeFixture::tearDown();
    }

    void testASmallBodyIsOneMessage() {
        start(true);
        CPPUNIT_ASSERT_EQUAL(unsigned{BODY_FOLLOWS}, unsigned{host_->take().header.flags});
        CPPUNIT_ASSERT_EQUAL(std::size_t{4}, exchange_->sendBody("body", true));
        CPPUNIT_ASSERT(exchange_->bodyDone());
        const auto message = host_->receive();
        CPPUNIT_ASSERT(message->header.type == MessageType::BODY);
        CPPUNIT_ASSERT_EQUAL(unsigned{LAST}, unsigned{message->header.flags});
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, message->header.ticket);
        CPPUNIT_ASSERT_EQUAL(std::string("body"), message->payload);
    }

    void testABodyLargerThanTheChannelIsSentInPieces() {
        start(true);
        std::string body(5000000, 'x');
        body[4000000] = 'y';
        auto instance = std::async(std::launch::async, [this] { return host_->receiveBody(); });
        CPPUNIT_ASSERT_EQUAL(body.size(), exchange_->sendBody(body, true));
        CPPUNIT_ASSERT(exchange_->bodyDone());
        CPPUNIT_ASSERT(instance.get() == body);
    }

    void testABodyMayEndWithAnEmptyPiece() {
        start(true);
        exchange_->sendBody("body", false);
        CPPUNIT_ASSERT(!exchange_->bodyDone());
        exchange_->sendBody("", true);
        CPPUNIT_ASSERT(exchange_->bodyDone());
        CPPUNIT_ASSERT_EQUAL(std::string("body"), host_->receiveBody());
    }

    void testABodyInAFileIsSentAsADescriptor() {
        startWithFile();
        CPPUNIT_ASSERT_EQUAL(unsigned{BODY_FOLLOWS | BODY_IN_FILE}, unsigned{host_->take().header.flags});
        CPPUNIT_ASSERT(!givenTo_);
        awaitInVain();
        CPPUNIT_ASSERT(givenTo_ == ANY_SENDER);
        const auto message = host_->receive();
        CPPUNIT_ASSERT(message->header.type == MessageType::BODY_FILE);
        CPPUNIT_ASSERT_EQUAL(unsigned{LAST}, unsigned{message->header.flags});
        std::uint64_t size = 0;
        CPPUNIT_ASSERT_EQUAL(sizeof(size), message->payload.size());
        std::memcpy(&size, message->payload.data(), sizeof(size));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{4}, size);
        CPPUNIT_ASSERT_EQUAL(std::string("body"), fileOf(*message));
        CPPUNIT_ASSERT(exchange_->bodyDone());
    }

    void testAFileIsSentAfterALongHead() {
        environment_ = std::string(100000, 'e');
        startWithFile();
        const FakeHost::Request request = host_->take();
        awaitInVain();
        const auto rest = host_->receive();
        CPPUNIT_ASSERT(rest->header.type == MessageType::BODY);
        CPPUNIT_ASSERT_EQUAL(0U, unsigned{rest->header.flags});
        CPPUNIT_ASSERT(request.environment + rest->payload == environment_);
        CPPUNIT_ASSERT_EQUAL(std::string("body"), fileOf(*host_->receive()));
    }

    void testAFileIsSentAgainIfItsChannelHasEnded() {
        startWithFile();
        host_->take();
        sendFile();
        host_->prepare();
        awaitInVain();
        host_->take();
        CPPUNIT_ASSERT_EQUAL(std::string("body"), fileOf(*host_->receive()));
    }

    void testAFileIsSentInPiecesIfTooManyDescriptorsAreInFlight() {
        std::string body(3'000'000, 'x');
        body[2'000'000] = 'y';
        startWithFile(body);
        host_->take();
        const CrowdedDescriptors crowd;
        // The body is larger than the channel's buffer. The rest is sent when there is room.
        auto instance = std::async(std::launch::async, [this] {
            std::string received = host_->receiveBody();
            host_->send(MessageType::RESPONSE, 1, "", "hello", true);
            return received;
        });
        CPPUNIT_ASSERT(!receive().end);
        CPPUNIT_ASSERT(instance.get() == body);
        CPPUNIT_ASSERT(exchange_->bodyDone());
    }

    void testAFileInPiecesIsSentAgainOnAnotherChannel() {
        startWithFile();
        host_->take();
        {
            const CrowdedDescriptors crowd;
            sendFile();
        }
        host_->prepare();
        awaitInVain();
        host_->take();
        CPPUNIT_ASSERT_EQUAL(std::string("body"), fileOf(*host_->receive()));
    }

    void testAnAnswerInterruptsTheBody() {
        start(true);
        host_->claim(host_->take());
        host_->send(MessageType::RESPONSE, 1, "", "too large", true);
        const std::string body(5000000, 'x');
        CPPUNIT_ASSERT(exchange_->sendBody(body, true) < body.size());
        CPPUNIT_ASSERT(!exchange_->bodyDone());
        const Exchange::Event event = receive();
        CPPUNIT_ASSERT_EQUAL(std::string("too large"), std::string(event.payload.data(), event.payload.size()));
    }

    void testAnAnswerWaitsWhileTheInstanceReadsTheBody() {
        MessageRequest request;
        request.bodyFollows = true;
        // Asked before each wait: the instance answers, and reads all that is in the channel.
        const auto reads = [](const void *host) noexcept {
            auto &instance = *static_cast<FakeHost *>(const_cast<void *>(host));
            instance.send(MessageType::DATA, 1, "", "part");
            while (instance.hasMessage()) {
                instance.receive();
            }
            return false;
        };
        request.client = MessageRequest::Client(reads, host_.get());
        exchange_->start(request, 0);
        host_->claim(host_->take());
        const std::string body(5000000, 'x');
        CPPUNIT_ASSERT_EQUAL(body.size(), exchange_->sendBody(body, true));
        CPPUNIT_ASSERT(exchange_->bodyDone());
        CPPUNIT_ASSERT(!receive().end);
    }

    void testTheRestOfALongHeadIsSentInBodyMessages() {
        environment_ = std::string(200000, 'e');
        start(false);
        const FakeHost::Request request = host_->take();
        CPPUNIT_ASSERT_EQUAL(std::uint32_t{200000}, request.header.headLength);
        CPPUNIT_ASSERT_EQUAL(unsigned{BODY_FOLLOWS}, unsigned{request.header.flags});
        auto instance = std::async(std::launch::async, [&] {
            std::string rest = host_->receiveBody();
            host_->send(MessageType::RESPONSE, 1, "", "hello", true);
            return rest;
        });
        CPPUNIT_ASSERT(!receive().end);
        CPPUNIT_ASSERT(request.environment + instance.get() == environment_);
    }

    void testALongHeadIsSentBeforeTheBody() {
        environment_ = std::string(100000, 'e');
        start(true);
        const FakeHost::Request request = host_->take();
        CPPUNIT_ASSERT_EQUAL(std::size_t{4}, exchange_->sendBody("body", true));
        CPPUNIT_ASSERT(request.environment + host_->receiveBody() == environment_ + "body");
    }

    void testTheLongestHeadIsSent() {
        environment_ = std::string(MAX_ENVIRONMENT, 'e');
        start(true);
        const FakeHost::Request request = host_->take();
        auto instance = std::async(std::launch::async, [this] { return host_->receiveBody(); });
        exchange_->sendBody("", true);
        CPPUNIT_ASSERT(request.environment + instance.get() == environment_);
    }

    void testALongerHeadIsRefused() {
        environment_ = std::string(MAX_ENVIRONMENT + 1, 'e');
        const auto error = thrownBy<ProtocolException>([this] { start(false); });
        CPPUNIT_ASSERT(std::string(error.what()).find("1 MiB") != std::string::npos);
        CPPUNIT_ASSERT(!host_->hasRequest());
    }

    void testABodyThatDoesNotFitItsRequestIsRefused() {
        const std::string body(MAX_MESSAGE, 'x');
        MessageRequest request;
        request.environment = environment_;
        request.body = body;
        thrownBy<ProtocolException>([&] { exchange_->start(request, 0); });
        CPPUNIT_ASSERT_EQUAL(0U, host_->inFlight());
    }

    void testAChannelWithUnreadBodyIsNotUsedAgain() {
        start(true);
        host_->claim(host_->take());
        exchange_->sendBody("body", true);
        answer();
        CPPUNIT_ASSERT_EQUAL(1U, host_->dirtyEnds);
    }

    void testAChannelWhoseBodyWasReadIsUsedAgain() {
        start(true);
        host_->claim(host_->take());
        exchange_->sendBody("body", true);
        host_->receiveBody();
        answer();
        CPPUNIT_ASSERT_EQUAL(1U, host_->cleanEnds);
    }

    void testARequestWhoseBodyIsBeingSentIsNotRepeated() {
        start(true, true);
        host_->claim(host_->take());
        exchange_->sendBody("body", true);
        host_->send(MessageType::LOST, 1);
        CPPUNIT_ASSERT(receive().endsWith(Kind::LOST));
    }

    void testBodyMessagesOfAnEarlierTicketAreKept() {
        start(true);
        host_->take();
        exchange_->sendBody("bo", false);
        host_->send(MessageType::RECHECK, 1);
        // No instance has claimed the request. The request is queued again, and the first bytes of
        // its body stay in the channel.
        CPPUNIT_ASSERT(receive(50ms).endsWith(Kind::TIMED_OUT));
        const FakeHost::Request again = host_->take();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, again.header.ticket);
        CPPUNIT_ASSERT_EQUAL(std::uint16_t{1}, again.header.resends);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, host_->receive()->header.ticket);
    }

    void testAnUnreadBodyIsSentAgainIfItsChannelHasEnded() {
        start(true);
        host_->take();
        exchange_->sendBody("bo", false);
        host_->prepare();  // Closes the agent's copy of the other end, which is the last one.
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, exchange_->sendBody("dy", true));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, host_->take().header.ticket);
        CPPUNIT_ASSERT_EQUAL(std::string("body"), host_->receiveBody());
    }

    void testAWholeBodyIsSentAgainIfItsChannelEndsBeforeTheAnswer() {
        start(true);
        host_->take();
        const std::string body(100'000, 'x');
        CPPUNIT_ASSERT_EQUAL(body.size(), exchange_->sendBody(body, true));
        host_->prepare();
        CPPUNIT_ASSERT(receive(50ms).endsWith(Kind::TIMED_OUT));
        host_->take();
        CPPUNIT_ASSERT(body == host_->receiveBody());
    }

    void testABegunRequestIsLostIfItsChannelEnds() {
        start(true);
        host_->claim(host_->take());
        exchange_->sendBody("bo", false);
        host_->prepare();
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, exchange_->sendBody("dy", true));
        CPPUNIT_ASSERT(receive().endsWith(Kind::LOST));
    }

    void testTheBodyOfARequestThatWasNotBegunIsSentOnAnotherChannel() {
        start(true);
        host_->take();
        host_->prepare();
        CPPUNIT_ASSERT_EQUAL(std::size_t{4}, exchange_->sendBody("body", true));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, host_->take().header.ticket);
        CPPUNIT_ASSERT_EQUAL(std::string("body"), host_->receiveBody());
    }

    void testAnAnswerInAChannelThatHasEndedIsReceived() {
        start(true);
        host_->claim(host_->take());
        host_->send(MessageType::RESPONSE, 1, "", "too large", true);
        host_->prepare();
        exchange_->sendBody("body", true);
        CPPUNIT_ASSERT(!receive().end);
    }

    void testAChannelThatTheInstanceClosesOnlyForReadingIsBroken() {
        start(true);
        host_->claim(host_->take());
        host_->refuseBody();
        exchange_->sendBody("body", true);
        CPPUNIT_ASSERT(receive().endsWith(Kind::BROKEN));
    }

    void testAFileIsSentInPiecesIfInstancesHaveNotTakenThoseBefore() {
        std::vector<BodyFilesInFlight::Place> others(BodyFilesInFlight::MOST - 1);
        for (BodyFilesInFlight::Place &other : others) {
            other = host_->bodyFiles().enter();
            CPPUNIT_ASSERT(other);
        }
        startWithFile();
        host_->claim(host_->take());
        sendFile();
        CPPUNIT_ASSERT(!host_->bodyFiles().enter());
        Exchange second(host_, host_->options);
        MessageRequest request;
        request.environment = environment_;
        request.bodyFollows = true;
        request.bodyFile = file_.get();
        request.bodyFileSize = 4;
        unsigned told = 0;
        request.bodyInPieces = [&told] { told++; };
        second.start(request, 0);
        second.sendBody("", true);
        CPPUNIT_ASSERT_EQUAL(std::string("body"), host_->receiveBody());
        CPPUNIT_ASSERT_EQUAL(1U, told);
    }

    void testAFileThatAnInstanceHasTakenIsNoLongerInFlight() {
        std::vector<BodyFilesInFlight::Place> others(BodyFilesInFlight::MOST - 1);
        for (BodyFilesInFlight::Place &other : others) {
            other = host_->bodyFiles().enter();
        }
        startWithFile();
        const FakeHost::Request request = host_->take();
        host_->claim(request);
        sendFile();
        CPPUNIT_ASSERT_EQUAL(std::string("body"), fileOf(*host_->receive()));
        CPPUNIT_ASSERT(!host_->bodyFiles().enter());
        host_->send(MessageType::RESPONSE, request.header.ticket, "", "hello", false);
        CPPUNIT_ASSERT(!receive().end);
        CPPUNIT_ASSERT(host_->bodyFiles().enter());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(BodySenderTest);

}  // namespace Passenger
