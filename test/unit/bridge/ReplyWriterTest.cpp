#include "bridge/ReplyWriter.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/socket.h>

#include <cstring>
#include <string>

#include "base/Exceptions.h"
#include "io/SocketPair.h"
#include "support/CrowdedDescriptors.h"
#include "support/LeakCheck.h"

namespace Passenger {

/** Answers of a bridge that do not depend on the application. */
class ReplyWriterTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(ReplyWriterTest);
    CPPUNIT_TEST(testAConnectionThatCannotBeHandedOverIsAnswered);
    CPPUNIT_TEST(testAnAnswerThatTheKernelRefusesCanEndInError);
    CPPUNIT_TEST(testARefusedEndOfAnAnswerIsNoEnd);
    CPPUNIT_TEST(testAKeptMessageThatTheKernelRefusesKeepsNoOtherBack);
    CPPUNIT_TEST(testAChildThatHasLeftIsNoError);
    CPPUNIT_TEST_SUITE_END();

    static constexpr std::size_t TOO_LONG = 32768;

    DescriptorPair pair_;
    Bridge::Channel channel_;

    /** The next message, or one of zeros. */
    MessageHeader received() const {
        char text[1000] = {};
        MessageHeader header{};
        ::recv(pair_.first.get(), text, sizeof(text), MSG_DONTWAIT);
        std::memcpy(&header, text, sizeof(header));
        return header;
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        pair_ = makeSeqPacketPair();
        // As with a small net.core.wmem_default.
        const int size = 4096;
        CPPUNIT_ASSERT_EQUAL(0, ::setsockopt(pair_.second.get(), SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)));
        channel_ = {7, std::move(pair_.second)};
    }

    void tearDown() override {
        pair_ = {};
        channel_ = {};
        LeakCheck::tearDown();
    }

    void testAnAnswerThatTheKernelRefusesCanEndInError() {
        Bridge::ReplyWriter reply(channel_, 5, 0, 0);
        CPPUNIT_ASSERT_THROW(reply.respond(200, "", std::string(TOO_LONG, 'x'), true), SystemException);
        CPPUNIT_ASSERT(!reply.finished());
        reply.fail(500, "Internal Server Error");
        CPPUNIT_ASSERT_EQUAL(500U, unsigned{received().status});
    }

    void testARefusedEndOfAnAnswerIsNoEnd() {
        Bridge::ReplyWriter reply(channel_, 5, 0, 0);
        reply.respond(200, "", "", false);
        CPPUNIT_ASSERT_THROW(reply.data(std::string(TOO_LONG, 'x'), true), SystemException);
        CPPUNIT_ASSERT(!reply.finished());
        reply.fail(500, "Internal Server Error");
        CPPUNIT_ASSERT_EQUAL(200U, unsigned{received().status});
        CPPUNIT_ASSERT(received().type == MessageType::ABORTED);
    }

    void testAKeptMessageThatTheKernelRefusesKeepsNoOtherBack() {
        Bridge::ReplyWriter reply(channel_, 5, 0, 0);
        while (!reply.holdsBack()) {
            reply.respond(200, "", "x", false);
        }
        reply.data(std::string(TOO_LONG, 'x'), true);
        while (received().status == 200) {
            // The child makes room.
        }
        CPPUNIT_ASSERT_THROW(reply.flush(), SystemException);
        reply.fail(500, "Internal Server Error");
        MessageHeader last = received();
        while (last.status == 200) {
            last = received();
        }
        CPPUNIT_ASSERT(last.type == MessageType::ABORTED);
    }

    void testAChildThatHasLeftIsNoError() {
        pair_.first.reset();
        Bridge::ReplyWriter reply(channel_, 5, 0, 0);
        CPPUNIT_ASSERT_THROW(reply.respond(200, "", "x", true), Bridge::ClientGone);
    }

    void testAConnectionThatCannotBeHandedOverIsAnswered() {
        const DescriptorPair connection = makeStreamPair();
        Bridge::ReplyWriter reply(channel_, 5, 0, 0);
        {
            const CrowdedDescriptors crowd;
            reply.handOver(connection.first, 101, "Upgrade: x\r\n", "");
        }
        CPPUNIT_ASSERT(reply.finished());
        const MessageHeader header = received();
        CPPUNIT_ASSERT(header.type == MessageType::RESPONSE);
        CPPUNIT_ASSERT_EQUAL(503U, unsigned{header.status});
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ReplyWriterTest);

}  // namespace Passenger
