#include "io/SocketPair.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "support/Expect.h"
#include "support/LeakCheck.h"

namespace Passenger {

namespace {

std::string textOf(const Received &received, const std::array<char, 64> &buffer) {
    return {buffer.data(), received.size};
}

/** Sends more descriptors than sendWithDescriptors() allows. */
void sendManyDescriptors(const FileDescriptor &socket, const std::vector<int> &descriptors) {
    const std::size_t size = descriptors.size() * sizeof(int);
    std::vector<char> control(CMSG_SPACE(size));
    char byte = 'x';
    iovec part{&byte, 1};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(size);
    std::memcpy(CMSG_DATA(header), descriptors.data(), size);
    CPPUNIT_ASSERT_EQUAL(ssize_t{1}, ::sendmsg(socket.get(), &message, 0));
}

}  // namespace

class SocketPairTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(SocketPairTest);
    CPPUNIT_TEST(testAStreamPairIsConnectedAndCloseOnExec);
    CPPUNIT_TEST(testASeqPacketPairKeepsMessagesApart);
    CPPUNIT_TEST(testAMessageLongerThanTheBufferIsReported);
    CPPUNIT_TEST(testDescriptorsArriveCloseOnExec);
    CPPUNIT_TEST(testAsManyDescriptorsAsAllowedArrive);
    CPPUNIT_TEST(testMoreDescriptorsThanAllowedAreNotSent);
    CPPUNIT_TEST(testTooManyReceivedDescriptorsAreReportedAndClosed);
    CPPUNIT_TEST(testDescriptorsOverTheLimitOfTheProcessAreReported);
    CPPUNIT_TEST(testDescriptorsThatAreNotReadAreClosed);
    CPPUNIT_TEST(testTheKernelSetsCredentialsIfTheyAreEnabled);
    CPPUNIT_TEST(testCredentialsAndDescriptorsArriveTogether);
    CPPUNIT_TEST(testWithoutCredentialsThePidIsZero);
    CPPUNIT_TEST(testReceivingNothingWithoutWaitingIsEagain);
    CPPUNIT_TEST(testSendingToAClosedPeerIsEpipe);
    CPPUNIT_TEST(testSendingIntoAFullSocketWithoutWaitingIsEagain);
    CPPUNIT_TEST(testAClosedPeerIsTheEndOfFile);
    CPPUNIT_TEST_SUITE_END();

    DescriptorPair pair_;
    std::array<char, 64> buffer_{};

    Received receive(int flags = MSG_DONTWAIT) { return receiveWithDescriptors(pair_.second, buffer_, flags); }

public:
    void setUp() override {
        LeakCheck::setUp();
        pair_ = makeStreamPair();
    }

    void tearDown() override {
        pair_ = {};
        LeakCheck::tearDown();
    }

    void testAStreamPairIsConnectedAndCloseOnExec() {
        for (const auto *end : {&pair_.first, &pair_.second}) {
            CPPUNIT_ASSERT((::fcntl(end->get(), F_GETFD) & FD_CLOEXEC) != 0);
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{5}, sendWithDescriptors(pair_.first, "hello", {}));
        const Received received = receive();
        CPPUNIT_ASSERT_EQUAL(std::string("hello"), textOf(received, buffer_));
        CPPUNIT_ASSERT(!received.truncated);
    }

    void testASeqPacketPairKeepsMessagesApart() {
        pair_ = makeSeqPacketPair();
        sendWithDescriptors(pair_.first, "one", {});
        sendWithDescriptors(pair_.first, "two", {});
        CPPUNIT_ASSERT_EQUAL(std::string("one"), textOf(receive(), buffer_));
        CPPUNIT_ASSERT_EQUAL(std::string("two"), textOf(receive(), buffer_));
    }

    void testAMessageLongerThanTheBufferIsReported() {
        pair_ = makeSeqPacketPair();
        sendWithDescriptors(pair_.first, std::string(buffer_.size() + 1, 'x'), {});
        CPPUNIT_ASSERT(receive().truncated);
    }

    void testDescriptorsArriveCloseOnExec() {
        DescriptorPair pipe = makePipe();
        const std::array<int, 1> attached{pipe.second.get()};
        sendWithDescriptors(pair_.first, "x", attached);
        const Received received = receive();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, received.descriptors.size());
        const FileDescriptor &arrived = received.descriptors[0];
        CPPUNIT_ASSERT((::fcntl(arrived.get(), F_GETFD) & FD_CLOEXEC) != 0);
        pipe.second.reset();
        CPPUNIT_ASSERT_EQUAL(ssize_t{1}, ::write(arrived.get(), "!", 1));
        char byte;
        CPPUNIT_ASSERT_EQUAL(ssize_t{1}, ::read(pipe.first.get(), &byte, 1));
    }

    void testAsManyDescriptorsAsAllowedArrive() {
        const std::vector<int> attached(MAX_DESCRIPTORS, pair_.first.get());
        sendWithDescriptors(pair_.first, "x", attached);
        const Received received = receive();
        CPPUNIT_ASSERT_EQUAL(MAX_DESCRIPTORS, received.descriptors.size());
        CPPUNIT_ASSERT(!received.truncated);
    }

    void testMoreDescriptorsThanAllowedAreNotSent() {
        const std::vector<int> attached(MAX_DESCRIPTORS + 1, pair_.first.get());
        thrownBy<ProtocolException>([&] { sendWithDescriptors(pair_.first, "x", attached); });
    }

    void testTooManyReceivedDescriptorsAreReportedAndClosed() {
        // Some of these numbers of descriptors fit into the room that is kept for credentials,
        // others do not.
        for (const std::size_t count : {MAX_DESCRIPTORS + 1, MAX_DESCRIPTORS + 50, std::size_t{200}}) {
            sendManyDescriptors(pair_.first, std::vector<int>(count, pair_.first.get()));
            const Received received = receive();
            CPPUNIT_ASSERT_EQUAL(std::size_t{1}, received.size);
            CPPUNIT_ASSERT(received.truncated);
            CPPUNIT_ASSERT(!received.descriptorsLost);
            CPPUNIT_ASSERT_EQUAL_MESSAGE("The kernel has closed none of them", count, received.descriptors.size());
        }
    }

    void testDescriptorsOverTheLimitOfTheProcessAreReported() {
        const std::vector<int> attached(4, pair_.first.get());
        sendWithDescriptors(pair_.first, "x", attached);
        rlimit before{};
        ::getrlimit(RLIMIT_NOFILE, &before);
        // Only the next two numbers are free.
        const FileDescriptor highest = pair_.first.duplicate();
        const rlimit tight{static_cast<rlim_t>(highest.get()) + 3, before.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &tight);
        const Received received = receive();
        ::setrlimit(RLIMIT_NOFILE, &before);
        CPPUNIT_ASSERT(received.truncated);
        CPPUNIT_ASSERT(received.descriptorsLost);
        CPPUNIT_ASSERT(received.descriptors.size() < attached.size());
    }

    void testDescriptorsThatAreNotReadAreClosed() {
        DescriptorPair pipe = makePipe();
        const std::array<int, 1> attached{pipe.second.get()};
        sendWithDescriptors(pair_.first, "x", attached);
        receive();
        pipe.second.reset();
        char byte;
        CPPUNIT_ASSERT_EQUAL(ssize_t{0}, ::read(pipe.first.get(), &byte, 1));
    }

    void testTheKernelSetsCredentialsIfTheyAreEnabled() {
        enablePeerCredentials(pair_.second);
        sendWithDescriptors(pair_.first, "x", {});
        CPPUNIT_ASSERT((PeerCredentials{::getpid(), ::getuid(), ::getgid()}) == receive().credentials);
    }

    void testCredentialsAndDescriptorsArriveTogether() {
        enablePeerCredentials(pair_.second);
        const std::vector<int> attached(MAX_DESCRIPTORS, pair_.first.get());
        sendWithDescriptors(pair_.first, "x", attached);
        const Received received = receive();
        CPPUNIT_ASSERT_EQUAL(::getpid(), received.credentials.pid);
        CPPUNIT_ASSERT_EQUAL(MAX_DESCRIPTORS, received.descriptors.size());
        CPPUNIT_ASSERT(!received.truncated);
    }

    void testWithoutCredentialsThePidIsZero() {
        sendWithDescriptors(pair_.first, "x", {});
        CPPUNIT_ASSERT(PeerCredentials() == receive().credentials);
    }

    void testReceivingNothingWithoutWaitingIsEagain() {
        CPPUNIT_ASSERT_EQUAL(EAGAIN, errorOf([&] { receive(); }));
    }

    void testSendingToAClosedPeerIsEpipe() {
        // No SIGPIPE is raised, which would end the tests.
        pair_.second.reset();
        CPPUNIT_ASSERT_EQUAL(EPIPE, errorOf([&] { sendWithDescriptors(pair_.first, "x", {}); }));
    }

    void testSendingIntoAFullSocketWithoutWaitingIsEagain() {
        const std::string bytes(100'000, 'x');
        CPPUNIT_ASSERT_EQUAL(EAGAIN, errorOf([&] {
                                 for (;;) {
                                     sendWithDescriptors(pair_.first, bytes, {}, MSG_DONTWAIT);
                                 }
                             }));
    }

    void testAClosedPeerIsTheEndOfFile() {
        pair_.first.reset();
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, receive().size);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SocketPairTest);

}  // namespace Passenger
