#include "exchange/QueueSession.h"

#include <cppunit/extensions/HelperMacros.h>

#include <sys/socket.h>

#include "io/SocketPair.h"

#include "support/DescriptorRefusal.h"
#include "support/Expect.h"
#include "support/FakeHost.h"
#include "support/LeakCheck.h"

namespace Passenger {

using namespace std::chrono_literals;

class QueueSessionTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(QueueSessionTest);
    CPPUNIT_TEST(testAnAnswerInOneMessageArrives);
    CPPUNIT_TEST(testAnAnswerWithoutAHeadArrives);
    CPPUNIT_TEST(testAHeadInSeveralMessagesArrives);
    CPPUNIT_TEST(testTheLongestHeadArrives);
    CPPUNIT_TEST(testALongerHeadIsBroken);
    CPPUNIT_TEST(testABodyInPiecesArrives);
    CPPUNIT_TEST(testAnInterimAnswerIsFollowedByTheFinalOne);
    CPPUNIT_TEST(testAnAbortedAnswerDoesNotLookWhole);
    CPPUNIT_TEST(testAnAnswerThatEndsWithinItsHeadIsBroken);
    CPPUNIT_TEST(testASecondHeadIsBroken);
    CPPUNIT_TEST(testTrailersEndAnAnswer);
    CPPUNIT_TEST(testTrailersBeforeTheEndAreBroken);
    CPPUNIT_TEST(testTrailersBeforeTheHeadAreBroken);
    CPPUNIT_TEST(testBytesBeforeTheHeadAreBroken);
    CPPUNIT_TEST(testAnUnexpectedStreamIsBroken);
    CPPUNIT_TEST(testAHijackedConnectionHasAStream);
    CPPUNIT_TEST(testAHijackedConnectionTakesNoDescriptors);
    CPPUNIT_TEST(testAHijackedConnectionMayHaveAHead);
    CPPUNIT_TEST(testAHijackedConnectionFreesItsChannel);
    CPPUNIT_TEST(testAnInstanceMayAskForTheClientOfATransferableRequest);
    CPPUNIT_TEST(testAnInstanceThatAsksForAnotherClientIsBroken);
    CPPUNIT_TEST(testAHijackedConnectionWithoutAStreamIsBroken);
    CPPUNIT_TEST(testAHijackedConnectionToAServiceIsBroken);
    CPPUNIT_TEST(testAHijackedConnectionWithAnotherKindOfSocketIsBroken);
    CPPUNIT_TEST(testAHijackedConnectionInTheMiddleOfAnAnswerIsBroken);
    CPPUNIT_TEST(testTheFirstBytesOfAHijackedConnectionMayComeWithTheHead);
    CPPUNIT_TEST(testAnAnswerThatContinuesAfterAHijackIsBroken);
    CPPUNIT_TEST(testADescriptorOfAnotherExchangeIsClosed);
    CPPUNIT_TEST(testADescriptorOfAHeadBreaksTheChannel);
    CPPUNIT_TEST(testADescriptorOfABodyBreaksTheChannel);
    CPPUNIT_TEST(testALostInstanceIsReported);
    CPPUNIT_TEST(testARefusalIsReportedAtTheStart);
    CPPUNIT_TEST(testAFullQueueIsReportedAtTheStart);
    CPPUNIT_TEST(testATooLongWaitIsReported);
    CPPUNIT_TEST(testAnAnswerIsCountedWhenItIsWhole);
    CPPUNIT_TEST(testAnAbortedAnswerCountsAsLost);
    CPPUNIT_TEST_SUITE_END();

    std::shared_ptr<FakeHost> host_;
    std::unique_ptr<QueueSession> session_;
    std::vector<char> buffer_;

    Reply receive() { return session_->receive(buffer_, -1, 60s); }
    void assertBroken() {
        const Reply reply = receive();
        CPPUNIT_ASSERT(reply.kind == Reply::Kind::BROKEN);
        CPPUNIT_ASSERT(reply.ends());
        CPPUNIT_ASSERT(!reply.text.empty());
        session_.reset();
        CPPUNIT_ASSERT_EQUAL(1U, host_->dirtyEnds);
    }
    static std::string bodyOf(const Reply &reply) { return std::string(reply.body.data(), reply.body.size()); }

public:
    void setUp() override {
        LeakCheck::setUp();
        host_ = std::make_shared<FakeHost>();
        session_ = std::make_unique<QueueSession>(host_, host_->options);
        buffer_.resize(MessageSession::BUFFER_SIZE);
        CPPUNIT_ASSERT(!session_->start(MessageSession::Request{}));
        host_->claim(host_->take());
    }

    void tearDown() override {
        session_.reset();
        host_.reset();
        LeakCheck::tearDown();
    }

    void testAnAnswerInOneMessageArrives() {
        host_->stickyId = 4711;
        host_->send(MessageType::RESPONSE, 1, "A: b\r\n", "hello", true, 404);
        const Reply reply = receive();
        CPPUNIT_ASSERT(reply.kind == Reply::Kind::RESPONSE);
        CPPUNIT_ASSERT_EQUAL(std::uint16_t{404}, reply.status);
        CPPUNIT_ASSERT_EQUAL(4711U, reply.stickyId);
        CPPUNIT_ASSERT_EQUAL(std::string("A: b\r\n"), std::string(reply.head));
        CPPUNIT_ASSERT_EQUAL(std::string("hello"), bodyOf(reply));
        CPPUNIT_ASSERT(reply.last && reply.ends());
        session_.reset();
        CPPUNIT_ASSERT_EQUAL(1U, host_->cleanEnds);
    }

    void testAnAnswerWithoutAHeadArrives() {
        host_->send(MessageType::RESPONSE, 1, "", "", true, 204);
        const Reply reply = receive();
        CPPUNIT_ASSERT_EQUAL(std::uint16_t{204}, reply.status);
        CPPUNIT_ASSERT(reply.head.empty() && reply.last);
    }

    void testAHeadInSeveralMessagesArrives() {
        const std::string head = "A: " + std::string(100000, 'x') + "\r\n";
        MessageHeader header{};
        header.ticket = 1;
        header.type = MessageType::RESPONSE;
        header.status = 200;
        header.headLength = static_cast<std::uint32_t>(head.size());
        header.stickyId = 4711;
        const std::string start(reinterpret_cast<const char *>(&header), sizeof(header));
        host_->sendRaw(start + head.substr(0, 60000));
        host_->send(MessageType::DATA, 1, "", head.substr(60000, 30000));
        host_->send(MessageType::DATA, 1, "", head.substr(90000) + "hello", true);
        const Reply reply = receive();
        CPPUNIT_ASSERT(reply.kind == Reply::Kind::RESPONSE);
        CPPUNIT_ASSERT(reply.head == head);
        CPPUNIT_ASSERT_EQUAL(4711U, reply.stickyId);
        CPPUNIT_ASSERT_EQUAL(std::string("hello"), bodyOf(reply));
        CPPUNIT_ASSERT(reply.last);
    }

    void testTheLongestHeadArrives() {
        MessageHeader header{};
        header.ticket = 1;
        header.type = MessageType::RESPONSE;
        header.status = 200;
        header.headLength = MAX_RESPONSE_HEAD;
        host_->sendRaw(std::string(reinterpret_cast<const char *>(&header), sizeof(header)) + std::string(60000, 'h'));
        host_->send(MessageType::DATA, 1, "", std::string(60000, 'h'));
        host_->send(MessageType::DATA, 1, "", std::string(MAX_RESPONSE_HEAD - 120000, 'h'), true);
        CPPUNIT_ASSERT_EQUAL(MAX_RESPONSE_HEAD, receive().head.size());
    }

    void testALongerHeadIsBroken() {
        MessageHeader header{};
        header.ticket = 1;
        header.type = MessageType::RESPONSE;
        header.headLength = MAX_RESPONSE_HEAD + 1;
        host_->sendRaw(std::string(reinterpret_cast<const char *>(&header), sizeof(header)));
        assertBroken();
    }

    void testABodyInPiecesArrives() {
        host_->send(MessageType::RESPONSE, 1, "A: b\r\n");
        host_->send(MessageType::DATA, 1, "", "hel");
        host_->send(MessageType::DATA, 1, "", "lo");
        host_->send(MessageType::DATA, 1, "", "", true);
        CPPUNIT_ASSERT(!receive().ends());
        std::string body;
        Reply reply;
        do {
            reply = receive();
            CPPUNIT_ASSERT(reply.kind == Reply::Kind::DATA);
            body += bodyOf(reply);
        } while (!reply.ends());
        CPPUNIT_ASSERT_EQUAL(std::string("hello"), body);
    }

    void testAnInterimAnswerIsFollowedByTheFinalOne() {
        host_->send(MessageType::INTERIM, 1, "Link: x\r\n", "", false, 103);
        host_->send(MessageType::RESPONSE, 1, "", "hello", true);
        const Reply interim = receive();
        CPPUNIT_ASSERT(interim.kind == Reply::Kind::INTERIM);
        CPPUNIT_ASSERT_EQUAL(std::uint16_t{103}, interim.status);
        CPPUNIT_ASSERT(!interim.ends());
        CPPUNIT_ASSERT(receive().kind == Reply::Kind::RESPONSE);
    }

    void testAnAbortedAnswerDoesNotLookWhole() {
        host_->send(MessageType::RESPONSE, 1, "", "hel");
        host_->send(MessageType::ABORTED, 1, "", "", true);
        CPPUNIT_ASSERT(!receive().ends());
        const Reply reply = receive();
        CPPUNIT_ASSERT(reply.kind == Reply::Kind::ABORTED);
        CPPUNIT_ASSERT(reply.ends() && !reply.last);
    }

    void testAnAnswerThatEndsWithinItsHeadIsBroken() {
        MessageHeader header{};
        header.ticket = 1;
        header.type = MessageType::RESPONSE;
        header.headLength = 1000;
        header.flags = LAST;
        host_->sendRaw(std::string(reinterpret_cast<const char *>(&header), sizeof(header)) + "A: b\r\n");
        assertBroken();
    }

    void testASecondHeadIsBroken() {
        host_->send(MessageType::RESPONSE, 1, "A: b\r\n");
        host_->send(MessageType::RESPONSE, 1, "A: b\r\n");
        receive();
        assertBroken();
    }

    void testTrailersEndAnAnswer() {
        host_->send(MessageType::RESPONSE, 1, "A: b\r\n", "begin");
        host_->send(MessageType::TRAILERS, 1, "C: d\r\n", "", true);
        CPPUNIT_ASSERT(!receive().ends());
        const Reply reply = receive();
        CPPUNIT_ASSERT(reply.kind == Reply::Kind::DATA && reply.ends() && reply.body.empty());
        CPPUNIT_ASSERT_EQUAL(std::string("C: d\r\n"), std::string(reply.trailers));
    }

    void testTrailersBeforeTheEndAreBroken() {
        host_->send(MessageType::RESPONSE, 1, "A: b\r\n", "begin");
        host_->send(MessageType::TRAILERS, 1, "C: d\r\n");
        CPPUNIT_ASSERT(!receive().ends());
        assertBroken();
    }

    void testTrailersBeforeTheHeadAreBroken() {
        host_->send(MessageType::TRAILERS, 1, "C: d\r\n", "", true);
        assertBroken();
    }

    void testBytesBeforeTheHeadAreBroken() {
        host_->send(MessageType::DATA, 1, "", "hello");
        assertBroken();
    }

    void testAnUnexpectedStreamIsBroken() {
        host_->send(MessageType::ACCEPTED, 1);
        assertBroken();
    }

    /** @return whether the test has the only open end of a pair */
    static bool closed(const FileDescriptor &end) {
        char byte = 0;
        return ::recv(end.get(), &byte, 1, MSG_DONTWAIT) == 0;
    }

    void testAHijackedConnectionHasAStream() {
        const DescriptorPair pair = makeStreamPair();
        host_->send(MessageType::HIJACKED, 1, "", "", true, 0, pair.second.get());
        const Reply reply = receive();
        CPPUNIT_ASSERT(reply.kind == Reply::Kind::HIJACKED && reply.ends());
        CPPUNIT_ASSERT_EQUAL(ssize_t{1}, ::send(reply.stream.get(), "x", 1, 0));
        char byte = 0;
        CPPUNIT_ASSERT_EQUAL(ssize_t{1}, ::recv(pair.first.get(), &byte, 1, 0));
    }

    /** They would be closed by the thread that reads the bytes. */
    void testAHijackedConnectionTakesNoDescriptors() {
        const DescriptorPair pair = makeStreamPair();
        host_->send(MessageType::HIJACKED, 1, "", "", true, 0, pair.second.get());
        const Reply reply = receive();
        assertPeerTakesNoDescriptors(pair.first);
    }

    void testAHijackedConnectionMayHaveAHead() {
        const DescriptorPair pair = makeStreamPair();
        host_->send(MessageType::HIJACKED, 1, "", "", false, 0, pair.second.get());
        host_->send(MessageType::RESPONSE, 1, "Upgrade: x\r\n", "", true, 101);
        const Reply reply = receive();
        CPPUNIT_ASSERT(reply.kind == Reply::Kind::RESPONSE && reply.ends() && reply.stream);
        CPPUNIT_ASSERT_EQUAL(std::uint16_t{101}, reply.status);
        CPPUNIT_ASSERT_EQUAL(std::string("Upgrade: x\r\n"), std::string(reply.head));
    }

    void testAHijackedConnectionFreesItsChannel() {
        const DescriptorPair pair = makeStreamPair();
        host_->send(MessageType::HIJACKED, 1, "", "", true, 0, pair.second.get());
        const Reply reply = receive();
        CPPUNIT_ASSERT_EQUAL(0U, host_->inFlight());
        session_.reset();
        CPPUNIT_ASSERT_EQUAL(1U, host_->cleanEnds);
        CPPUNIT_ASSERT(!closed(pair.first));
    }

    /** HIJACKED with LAST and WANTS_CLIENT. */
    void askForClient(int stream, std::uint64_t ticket = 1) {
        MessageHeader header{};
        header.ticket = ticket;
        header.type = MessageType::HIJACKED;
        header.flags = LAST | WANTS_CLIENT;
        host_->sendRaw({reinterpret_cast<const char *>(&header), sizeof(header)}, stream);
    }

    void testAnInstanceMayAskForTheClientOfATransferableRequest() {
        session_ = std::make_unique<QueueSession>(host_, host_->options);
        MessageSession::Request request;
        request.transferable = true;
        CPPUNIT_ASSERT(!session_->start(request));
        const FakeHost::Request taken = host_->take();
        CPPUNIT_ASSERT((taken.header.flags & TRANSFERABLE) != 0);
        host_->claim(taken);
        const DescriptorPair pair = makeStreamPair();
        askForClient(pair.second.get(), taken.header.ticket);
        const Reply reply = receive();
        CPPUNIT_ASSERT(reply.kind == Reply::Kind::HIJACKED && reply.wantsClient && reply.stream);
    }

    void testAnInstanceThatAsksForAnotherClientIsBroken() {
        const DescriptorPair pair = makeStreamPair();
        askForClient(pair.second.get());
        assertBroken();
    }

    void testAHijackedConnectionWithoutAStreamIsBroken() {
        host_->send(MessageType::HIJACKED, 1, "", "", true);
        assertBroken();
    }

    void testAHijackedConnectionToAServiceIsBroken() {
        const FileDescriptor service(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const FileDescriptor sender(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        // The kernel chooses a name.
        sockaddr_storage name{};
        name.ss_family = AF_UNIX;
        auto *address = reinterpret_cast<sockaddr *>(&name);
        CPPUNIT_ASSERT_EQUAL(0, ::bind(service.get(), address, sizeof name.ss_family));
        CPPUNIT_ASSERT_EQUAL(0, ::listen(service.get(), 1));
        socklen_t length = sizeof name;
        CPPUNIT_ASSERT_EQUAL(0, ::getsockname(service.get(), address, &length));
        CPPUNIT_ASSERT_EQUAL(0, ::connect(sender.get(), address, length));
        host_->send(MessageType::HIJACKED, 1, "", "", true, 0, sender.get());
        assertBroken();
    }

    void testAHijackedConnectionWithAnotherKindOfSocketIsBroken() {
        const DescriptorPair pair = makeSeqPacketPair();
        host_->send(MessageType::HIJACKED, 1, "", "", true, 0, pair.first.get());
        assertBroken();
    }

    void testAHijackedConnectionInTheMiddleOfAnAnswerIsBroken() {
        const DescriptorPair pair = makeStreamPair();
        host_->send(MessageType::RESPONSE, 1, "A: b\r\n", "begin");
        host_->send(MessageType::HIJACKED, 1, "", "", true, 0, pair.first.get());
        CPPUNIT_ASSERT(!receive().ends());
        assertBroken();
    }

    void testTheFirstBytesOfAHijackedConnectionMayComeWithTheHead() {
        const DescriptorPair pair = makeStreamPair();
        host_->send(MessageType::HIJACKED, 1, "", "", false, 0, pair.first.get());
        host_->send(MessageType::RESPONSE, 1, "A: b\r\n", "first", true);
        const Reply reply = receive();
        CPPUNIT_ASSERT(reply.kind == Reply::Kind::RESPONSE && reply.ends() && reply.stream);
        CPPUNIT_ASSERT_EQUAL(std::string("first"), std::string(reply.body.data(), reply.body.size()));
    }

    void testAnAnswerThatContinuesAfterAHijackIsBroken() {
        const DescriptorPair pair = makeStreamPair();
        host_->send(MessageType::HIJACKED, 1, "", "", false, 0, pair.first.get());
        host_->send(MessageType::RESPONSE, 1, "A: b\r\n", "first", false);
        assertBroken();
    }

    void testADescriptorOfAnotherExchangeIsClosed() {
        DescriptorPair pair = makeStreamPair();
        host_->send(MessageType::DATA, 4, "", "of another ticket", false, 0, pair.second.get());
        host_->send(MessageType::RESPONSE, 1, "A: b\r\n", "", true);
        pair.second.reset();
        CPPUNIT_ASSERT(receive().ends());
        CPPUNIT_ASSERT(closed(pair.first));
    }

    void testADescriptorOfAHeadBreaksTheChannel() {
        DescriptorPair pair = makeStreamPair();
        host_->send(MessageType::RESPONSE, 1, "A: b\r\n", "", true, 200, pair.second.get());
        pair.second.reset();
        assertBroken();
        CPPUNIT_ASSERT(closed(pair.first));
    }

    void testADescriptorOfABodyBreaksTheChannel() {
        DescriptorPair pair = makeStreamPair();
        host_->send(MessageType::RESPONSE, 1, "A: b\r\n");
        host_->send(MessageType::DATA, 1, "", "body", true, 0, pair.second.get());
        pair.second.reset();
        CPPUNIT_ASSERT(!receive().ends());
        assertBroken();
        CPPUNIT_ASSERT(closed(pair.first));
    }

    void testALostInstanceIsReported() {
        host_->send(MessageType::LOST, 1);
        const Reply reply = receive();
        CPPUNIT_ASSERT(reply.kind == Reply::Kind::LOST && reply.ends());
    }

    void testARefusalIsReportedAtTheStart() {
        host_->closeQueue();
        host_->refusal.emplace(500, "deadbeef", "It does not boot.");
        QueueSession refused(host_, host_->options);
        const std::optional<Reply> reply = refused.start(MessageSession::Request{});
        CPPUNIT_ASSERT(reply && reply->kind == Reply::Kind::REFUSED);
        CPPUNIT_ASSERT_EQUAL(std::uint16_t{500}, reply->status);
        CPPUNIT_ASSERT_EQUAL(std::string("deadbeef"), reply->reportId);
    }

    void testAFullQueueIsReportedAtTheStart() {
        host_->setCapacity(0);
        host_->clearClaim();
        host_->options.maxQueueSize = 1;
        QueueSession refused(host_, host_->options);
        const std::optional<Reply> reply = refused.start(MessageSession::Request{});
        CPPUNIT_ASSERT(reply && reply->kind == Reply::Kind::REFUSED && reply->ends());
        CPPUNIT_ASSERT_EQUAL(std::uint16_t{503}, reply->status);
        CPPUNIT_ASSERT(!reply->text.empty());
    }

    void testATooLongWaitIsReported() {
        host_->options.maxQueueTime = 5s;
        host_->clearClaim();
        QueueSession waiting(host_, host_->options);
        CPPUNIT_ASSERT(!waiting.start(MessageSession::Request{}));
        host_->advance(6s);
        const Reply reply = waiting.receive(buffer_, -1, 60s);
        CPPUNIT_ASSERT(reply.kind == Reply::Kind::REFUSED && reply.ends());
        CPPUNIT_ASSERT_EQUAL(std::uint16_t{504}, reply.status);
        CPPUNIT_ASSERT_MESSAGE(reply.text, reply.text.find("within 5 s,") != std::string::npos);
    }

    void testAnAnswerIsCountedWhenItIsWhole() {
        host_->send(MessageType::RESPONSE, 1, "", "hel");
        host_->send(MessageType::DATA, 1, "", "lo", true);
        receive();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, host_->statistics().completed);
        receive();
        session_->giveUp(MessageSession::End::TAKEN);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, host_->statistics().completed);
        session_.reset();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, host_->statistics().completed);
    }

    void testAnAbortedAnswerCountsAsLost() {
        host_->send(MessageType::RESPONSE, 1, "", "hel");
        host_->send(MessageType::ABORTED, 1, "", "", true);
        receive();
        receive();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, host_->statistics().completed);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, host_->statistics().lost);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(QueueSessionTest);

}  // namespace Passenger
