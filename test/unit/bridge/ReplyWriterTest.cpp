#include "bridge/ReplyWriter.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/socket.h>

#include <cstring>

#include "io/SocketPair.h"
#include "support/CrowdedDescriptors.h"
#include "support/LeakCheck.h"

namespace Passenger {

/** Answers of a bridge that do not depend on the application. */
class ReplyWriterTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(ReplyWriterTest);
    CPPUNIT_TEST(testAConnectionThatCannotBeHandedOverIsAnswered);
    CPPUNIT_TEST_SUITE_END();

public:
    void testAConnectionThatCannotBeHandedOverIsAnswered() {
        DescriptorPair pair = makeSeqPacketPair();
        const DescriptorPair connection = makeStreamPair();
        const Bridge::Channel channel{7, std::move(pair.second)};
        Bridge::ReplyWriter reply(channel, 5, 0, 0);
        {
            const CrowdedDescriptors crowd;
            reply.handOver(connection.first.get(), 101, "Upgrade: x\r\n", "");
        }
        CPPUNIT_ASSERT(reply.finished());
        char text[1000];
        const ssize_t size = ::recv(pair.first.get(), text, sizeof(text), MSG_DONTWAIT);
        CPPUNIT_ASSERT(size > static_cast<ssize_t>(sizeof(MessageHeader)));
        MessageHeader header;
        std::memcpy(&header, text, sizeof(header));
        CPPUNIT_ASSERT(header.type == MessageType::RESPONSE);
        CPPUNIT_ASSERT_EQUAL(503U, unsigned{header.status});
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ReplyWriterTest);

}  // namespace Passenger
