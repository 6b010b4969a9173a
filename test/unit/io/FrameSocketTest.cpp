#include "io/Frame.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string>
#include <vector>

#include "support/CrowdedDescriptors.h"
#include "support/Expect.h"
#include "support/LeakCheck.h"
#include "support/TestThread.h"

namespace Passenger {

class FrameSocketTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(FrameSocketTest);
    CPPUNIT_TEST(testASentFrameArrives);
    CPPUNIT_TEST(testTheLargestFrameIsSentInPieces);
    CPPUNIT_TEST(testDescriptorsOfTheFrameAndAttachedOnesArriveInOrder);
    CPPUNIT_TEST(testTooManyDescriptorsAreNotSent);
    CPPUNIT_TEST(testSendingWaitsWhileTooManyDescriptorsAreInFlight);
    CPPUNIT_TEST(testATooLargeFrameIsNotSentAndTheSocketStaysUsable);
    CPPUNIT_TEST(testReceivingGivesUpAtTheDeadline);
    CPPUNIT_TEST(testReceivingGoesOnAfterADeadlineWithinAFrame);
    CPPUNIT_TEST(testSendingGivesUpAtTheDeadline);
    CPPUNIT_TEST(testNothingIsSentAfterAFrameThatWasCutOff);
    CPPUNIT_TEST(testTryReceiveNeverWaits);
    CPPUNIT_TEST(testAClosedPeerIsTheEndOfFile);
    CPPUNIT_TEST(testAPeerThatClosesWithinAFrameIsTheEndOfFile);
    CPPUNIT_TEST(testAPeerThatDidNotReadAllIsTheEndOfFile);
    CPPUNIT_TEST(testSendingToAClosedPeerIsEpipe);
    CPPUNIT_TEST(testAFrameHasTheCredentialsOfItsSender);
    CPPUNIT_TEST(testMoreDescriptorsThanAFrameMayHaveAreAnError);
    CPPUNIT_TEST(testASocketThatRefusesDescriptorsGetsNone);
    CPPUNIT_TEST(testTheSocketsFlagsAreLeftAlone);
    CPPUNIT_TEST(testAFrameWhoseDescriptorsCannotGoFailsSoonWhateverItsDeadline);
    CPPUNIT_TEST(testFramesBeforeOneWhoseDescriptorsAreLostArrive);
    CPPUNIT_TEST_SUITE_END();

    FrameSocket here_;
    FrameSocket there_;

    static FrameSocket::Deadline soon() { return FrameSocket::in(std::chrono::milliseconds(5)); }
    static FrameSocket::Deadline later() { return FrameSocket::in(std::chrono::seconds(60)); }
    void sendRaw(std::string_view bytes) { sendWithDescriptors(here_.descriptor(), bytes, {}); }
    void sendWithOne(FrameSocket &socket, FrameSocket::Deadline deadline) const {
        socket.send(Frame(FrameType::CHANNEL, {"1"}), {there_.descriptor().get()}, deadline);
    }
    void expectNoDescriptorsGo(FrameSocket &socket) const {
        const auto begin = std::chrono::steady_clock::now();
        CPPUNIT_ASSERT_EQUAL(ETOOMANYREFS, errorOf([&] { sendWithOne(socket, soon()); }));
        CPPUNIT_ASSERT(std::chrono::steady_clock::now() - begin >= std::chrono::milliseconds(5));
    }
    /** A frame that does not fit into the socket's buffer. */
    static Frame large() { return Frame(FrameType::LOAD, {std::string(Frame::MAX_SIZE - 4, 'x')}); }

public:
    void setUp() override {
        LeakCheck::setUp();
        auto pair = makeStreamPair();
        here_ = FrameSocket(std::move(pair.first));
        there_ = FrameSocket(std::move(pair.second));
    }

    void tearDown() override {
        here_ = {};
        there_ = {};
        LeakCheck::tearDown();
    }

    void testASentFrameArrives() {
        here_.send(Frame(FrameType::FETCH, {"1"}), later());
        here_.send(Frame(FrameType::READY), later());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, there_.receive(later()).number(0));
        CPPUNIT_ASSERT(FrameType::READY == there_.receive(later()).type);
    }

    void testTheLargestFrameIsSentInPieces() {
        TestThread sender([&] { here_.send(large(), later()); });
        const Frame frame = there_.receive(later());
        sender.join();
        CPPUNIT_ASSERT(large().fields == frame.fields);
    }

    void testDescriptorsOfTheFrameAndAttachedOnesArriveInOrder() {
        DescriptorPair first = makePipe();
        const DescriptorPair second = makePipe();
        Frame frame(FrameType::WELCOME);
        frame.descriptors.push_back(std::move(first.second));
        here_.send(frame, {second.second.get()}, later());
        Frame arrived = there_.receive(later());
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, arrived.descriptors.size());
        CPPUNIT_ASSERT_EQUAL(ssize_t{1}, ::write(arrived.takeDescriptor(0).get(), "1", 1));
        CPPUNIT_ASSERT_EQUAL(ssize_t{1}, ::write(arrived.takeDescriptor(1).get(), "2", 1));
        char byte;
        CPPUNIT_ASSERT_EQUAL(ssize_t{1}, ::read(first.first.get(), &byte, 1));
        CPPUNIT_ASSERT_EQUAL('1', byte);
        CPPUNIT_ASSERT_EQUAL(ssize_t{1}, ::read(second.first.get(), &byte, 1));
        CPPUNIT_ASSERT_EQUAL('2', byte);
    }

    void testTooManyDescriptorsAreNotSent() {
        const std::vector<int> attached(MAX_DESCRIPTORS + 1, here_.descriptor().get());
        thrownBy<ProtocolException>([&] { here_.send(Frame(FrameType::STORE), attached, later()); });
        CPPUNIT_ASSERT(!there_.tryReceive());
    }

    void testSendingWaitsWhileTooManyDescriptorsAreInFlight() {
        std::optional<CrowdedDescriptors> crowd(std::in_place);
        expectNoDescriptorsGo(here_);
        CPPUNIT_ASSERT(!there_.tryReceive());
        here_.send(Frame(FrameType::READY), later());
        CPPUNIT_ASSERT(FrameType::READY == there_.receive(later()).type);

        // The new thread keeps the rights that this thread has now.
        TestThread sender([&] { sendWithOne(here_, later()); });
        DescriptorPair pair = makeStreamPair();
        FrameSocket other(std::move(pair.first));
        for (int i = 0; i < 10; i++) {
            expectNoDescriptorsGo(other);
        }
        CPPUNIT_ASSERT(!there_.tryReceive());
        crowd.reset();
        CPPUNIT_ASSERT(there_.receive(later()).takeDescriptor(0));
        sender.join();
    }

    void testATooLargeFrameIsNotSentAndTheSocketStaysUsable() {
        Frame frame = large();
        frame.add("more");
        thrownBy<ProtocolException>([&] { here_.send(frame, later()); });
        here_.send(Frame(FrameType::READY), later());
        CPPUNIT_ASSERT(FrameType::READY == there_.receive(later()).type);
    }

    void testReceivingGivesUpAtTheDeadline() {
        const auto begin = std::chrono::steady_clock::now();
        thrownBy<TimeoutException>([&] { there_.receive(soon()); });
        CPPUNIT_ASSERT(std::chrono::steady_clock::now() - begin >= std::chrono::milliseconds(5));
        thrownBy<TimeoutException>([&] { there_.receive(std::chrono::steady_clock::time_point()); });
    }

    void testReceivingGoesOnAfterADeadlineWithinAFrame() {
        const std::string bytes = Frame(FrameType::FETCH, {"12"}).encode();
        sendRaw(bytes.substr(0, 10));
        thrownBy<TimeoutException>([&] { there_.receive(soon()); });
        sendRaw(bytes.substr(10));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{12}, there_.receive(later()).number(0));
    }

    void testSendingGivesUpAtTheDeadline() {
        thrownBy<TimeoutException>([&] { here_.send(large(), soon()); });
    }

    void testNothingIsSentAfterAFrameThatWasCutOff() {
        thrownBy<TimeoutException>([&] { here_.send(large(), soon()); });
        thrownBy<ProtocolException>([&] { here_.send(Frame(FrameType::READY), later()); });
    }

    void testTryReceiveNeverWaits() {
        CPPUNIT_ASSERT(!there_.tryReceive());
        const std::string bytes = Frame(FrameType::READY).encode();
        sendRaw(bytes.substr(0, 7));
        CPPUNIT_ASSERT(!there_.tryReceive());
        sendRaw(bytes.substr(7));
        CPPUNIT_ASSERT(FrameType::READY == there_.tryReceive()->type);
    }

    void testAClosedPeerIsTheEndOfFile() {
        here_.send(Frame(FrameType::READY), later());
        here_ = {};
        CPPUNIT_ASSERT(FrameType::READY == there_.receive(later()).type);
        thrownBy<EndOfFileException>([&] { there_.receive(later()); });
        thrownBy<EndOfFileException>([&] { there_.tryReceive(); });
    }

    void testAPeerThatClosesWithinAFrameIsTheEndOfFile() {
        sendRaw(Frame(FrameType::READY).encode().substr(0, 5));
        here_ = {};
        const auto error = thrownBy<EndOfFileException>([&] { there_.receive(later()); });
        CPPUNIT_ASSERT_EQUAL(std::string("The peer closed the connection within a frame"), std::string(error.what()));
    }

    void testAPeerThatDidNotReadAllIsTheEndOfFile() {
        // The kernel reports ECONNRESET then.
        there_.send(Frame(FrameType::READY), later());
        here_ = {};
        thrownBy<EndOfFileException>([&] { there_.receive(later()); });
    }

    void testSendingToAClosedPeerIsEpipe() {
        there_ = {};
        CPPUNIT_ASSERT_EQUAL(EPIPE, errorOf([&] { here_.send(Frame(FrameType::READY), later()); }));
    }

    void testAFrameHasTheCredentialsOfItsSender() {
        enablePeerCredentials(there_.descriptor());
        here_.send(Frame(FrameType::HELLO, {"1"}), later());
        const Frame frame = there_.receive(later());
        CPPUNIT_ASSERT((PeerCredentials{::getpid(), ::getuid(), ::getgid()}) == frame.sender);
    }

    void testMoreDescriptorsThanAFrameMayHaveAreAnError() {
        std::string header = Frame(FrameType::READY).encode();
        header[6] = 1;
        // Two messages of one frame, each with as many descriptors as a message may have.
        const std::vector<int> attached(MAX_DESCRIPTORS, here_.descriptor().get());
        sendWithDescriptors(here_.descriptor(), header.substr(0, 1), attached);
        sendWithDescriptors(here_.descriptor(), header.substr(1), attached);
        thrownBy<ProtocolException>([&] { there_.receive(later()); });
    }

    void testASocketThatRefusesDescriptorsGetsNone() {
        there_.refuseDescriptors();
        try {
            here_.send(Frame(FrameType::LOAD), {STDIN_FILENO}, FrameSocket::in(std::chrono::seconds(60)));
            // The kernel cannot refuse them.
            thrownBy<ProtocolException>([this] { there_.receive(FrameSocket::in(std::chrono::seconds(60))); });
        } catch (const SystemException &refusal) {
            CPPUNIT_ASSERT_EQUAL(EPERM, refusal.error());
            here_.send(Frame(FrameType::LOAD), FrameSocket::in(std::chrono::seconds(60)));
            CPPUNIT_ASSERT(there_.receive(FrameSocket::in(std::chrono::seconds(60))).descriptors.empty());
        }
    }

    void testTheSocketsFlagsAreLeftAlone() {
        thrownBy<TimeoutException>([&] { here_.send(large(), soon()); });
        there_.tryReceive();
        CPPUNIT_ASSERT_EQUAL(0, ::fcntl(here_.descriptor().get(), F_GETFL) & O_NONBLOCK);
        CPPUNIT_ASSERT_EQUAL(0, ::fcntl(there_.descriptor().get(), F_GETFL) & O_NONBLOCK);
    }

    void testAFrameWhoseDescriptorsCannotGoFailsSoonWhateverItsDeadline() {
        const CrowdedDescriptors crowd;
        const auto begin = std::chrono::steady_clock::now();
        CPPUNIT_ASSERT_EQUAL(ETOOMANYREFS,
                             errorOf([&] { sendWithOne(here_, FrameSocket::in(std::chrono::minutes(10))); }));
        CPPUNIT_ASSERT(std::chrono::steady_clock::now() - begin < std::chrono::minutes(1));
    }

    void testFramesBeforeOneWhoseDescriptorsAreLostArrive() {
        here_.send(Frame(FrameType::UNREGISTER, {"1"}), later());
        here_.send(Frame(FrameType::UNREGISTER, {"2"}), later());
        sendWithOne(here_, later());
        here_.send(Frame(FrameType::FORK), {there_.descriptor().get()}, later());
        rlimit before{};
        ::getrlimit(RLIMIT_NOFILE, &before);
        // Each number below this one is taken.
        const FileDescriptor free = here_.descriptor().duplicate();
        const rlimit tight{static_cast<rlim_t>(free.get()), before.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &tight);
        const std::optional<Frame> first = there_.tryReceive();
        const std::optional<Frame> second = there_.tryReceive();
        const std::optional<Frame> channel = there_.tryReceive();
        const int error = errorOf([&] { there_.tryReceive(); });
        ::setrlimit(RLIMIT_NOFILE, &before);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, first->number(0));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, second->number(0));
        CPPUNIT_ASSERT(channel->type == FrameType::CHANNEL && channel->descriptors.empty());
        CPPUNIT_ASSERT_EQUAL(EMFILE, error);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(FrameSocketTest);

}  // namespace Passenger
