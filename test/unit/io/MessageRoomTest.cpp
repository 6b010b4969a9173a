#include "io/MessageRoom.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <cerrno>
#include <cstddef>
#include <string>

#include "io/SocketPair.h"
#include "support/LeakCheck.h"

namespace Passenger {

class MessageRoomTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(MessageRoomTest);
    CPPUNIT_TEST(testASmallBufferGetsRoomForAMessage);
    CPPUNIT_TEST(testALargeBufferStaysAsItIs);
    CPPUNIT_TEST_SUITE_END();

    static constexpr std::size_t BYTES = 65600;

    DescriptorPair pair_;

    void setBuffer(int size) {
        CPPUNIT_ASSERT_EQUAL(0, ::setsockopt(pair_.first.get(), SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)));
    }
    int buffer() const {
        int size = 0;
        socklen_t length = sizeof(size);
        CPPUNIT_ASSERT_EQUAL(0, ::getsockopt(pair_.first.get(), SOL_SOCKET, SO_SNDBUF, &size, &length));
        return size;
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        pair_ = makeSeqPacketPair();
    }
    void tearDown() override {
        pair_ = {};
        LeakCheck::tearDown();
    }

    /** As with a small net.core.wmem_default. */
    void testASmallBufferGetsRoomForAMessage() {
        setBuffer(4096);
        const std::string message(BYTES, 'x');
        CPPUNIT_ASSERT_EQUAL(ssize_t{-1}, ::send(pair_.first.get(), message.data(), BYTES, MSG_DONTWAIT));
        CPPUNIT_ASSERT_EQUAL(EMSGSIZE, errno);
        makeRoomForMessages(pair_.first, BYTES);
        CPPUNIT_ASSERT_EQUAL(ssize_t{BYTES}, ::send(pair_.first.get(), message.data(), BYTES, MSG_DONTWAIT));
    }

    void testALargeBufferStaysAsItIs() {
        const int before = buffer();
        makeRoomForMessages(pair_.first, 1000);
        CPPUNIT_ASSERT_EQUAL(before, buffer());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(MessageRoomTest);

}  // namespace Passenger
