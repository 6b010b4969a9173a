#include "base/DescriptorCloser.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cppunit/extensions/HelperMacros.h>

#include <chrono>
#include <optional>
#include <vector>

#include "io/SocketPair.h"
#include "support/Eventually.h"
#include "support/LeakCheck.h"
#include "support/LingeringConnection.h"
#include "support/NoThreads.h"

namespace Passenger {

class DescriptorCloserTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(DescriptorCloserTest);
    CPPUNIT_TEST(testADescriptorIsClosedSoon);
    CPPUNIT_TEST(testALingeringConnectionInTheBufferOfASocketDelaysNobody);
    CPPUNIT_TEST(testAForeignDescriptorIsClosedByTheCloserInUse);
    CPPUNIT_TEST(testTheThreadsEndWithTheCloser);
    CPPUNIT_TEST(testASenderWhoseDescriptorsWaitHoldsUpNoOther);
    CPPUNIT_TEST(testASenderWithManyDescriptorsIsNotHeldUp);
    CPPUNIT_TEST(testWhatWaitsForAThreadIsClosedAfterAShortageOfThreads);
    CPPUNIT_TEST(testAFileIsEmptiedBeforeItIsClosed);
    CPPUNIT_TEST_SUITE_END();

    static void empty(int fd) noexcept { [[maybe_unused]] const int failure = ::ftruncate(fd, 0); }
    static bool isOpen(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }
    static std::chrono::steady_clock::duration durationOf(const auto &work) {
        const auto begin = std::chrono::steady_clock::now();
        work();
        return std::chrono::steady_clock::now() - begin;
    }

public:
    void testADescriptorIsClosedSoon() {
        DescriptorCloser closer;
        DescriptorPair pipe = makePipe();
        const int fd = pipe.second.release();
        closer.close(fd, ANY_SENDER);
        CPPUNIT_ASSERT(eventually([fd] { return !isOpen(fd); }));
    }

    void testALingeringConnectionInTheBufferOfASocketDelaysNobody() {
        std::optional<LingeringConnection> connection(std::in_place);
        DescriptorCloser closer;
        const int fd = connection->intoSocket().release();
        const auto closing = durationOf([&] { closer.close(fd, ANY_SENDER); });
        DescriptorPair pipe = makePipe();
        const int other = pipe.second.release();
        closer.close(other, ANY_SENDER);
        CPPUNIT_ASSERT(eventually([other] { return !isOpen(other); }));
        CPPUNIT_ASSERT_MESSAGE("Another thread closes the other one meanwhile",
                               closing < std::chrono::seconds(LingeringConnection::LINGER));
        connection.reset();
        CPPUNIT_ASSERT(eventually([fd] { return !isOpen(fd); }));
    }

    void testAForeignDescriptorIsClosedByTheCloserInUse() {
        DescriptorCloser closer;
        DescriptorCloser::use(&closer);
        DescriptorPair pipe = makePipe();
        const int own = pipe.first.get();
        pipe.first.reset();
        CPPUNIT_ASSERT(!isOpen(own));
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, closer.threads());
        const int fd = pipe.second.release();
        FileDescriptor::foreign(fd).duplicate().reset();
        DescriptorCloser::use(nullptr);
        CPPUNIT_ASSERT(eventually([fd] { return !isOpen(fd); }));
        CPPUNIT_ASSERT(closer.threads() >= 1);
    }

    void testTheThreadsEndWithTheCloser() {
        std::optional<DescriptorCloser> closer(std::in_place);
        DescriptorPair pipe = makePipe();
        const int fd = pipe.second.release();
        closer->close(fd, ANY_SENDER);
        closer.reset();
        // What it had was closed before.
        CPPUNIT_ASSERT(eventually([fd] { return !isOpen(fd); }));
    }

    void testASenderWhoseDescriptorsWaitHoldsUpNoOther() {
        constexpr std::size_t COUNT = DescriptorCloser::MAX_THREADS_OF_SENDER + 2;
        const DescriptorSender attacker = newDescriptorSender();
        const DescriptorSender other = newDescriptorSender();
        std::vector<LingeringConnection> connections(COUNT);
        DescriptorCloser closer;
        std::vector<int> held;
        for (LingeringConnection &connection : connections) {
            held.push_back(connection.intoSocket().release());
            closer.close(held.back(), attacker);
        }
        CPPUNIT_ASSERT_EQUAL(DescriptorCloser::MAX_THREADS_OF_SENDER, closer.threads());
        CPPUNIT_ASSERT(eventually([&] { return closer.heldUp(attacker) == COUNT; }));
        DescriptorPair pipe = makePipe();
        const int fd = pipe.second.release();
        closer.close(fd, other);
        CPPUNIT_ASSERT(eventually([fd] { return !isOpen(fd); }));
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, closer.heldUp(other));
        CPPUNIT_ASSERT(isOpen(held.back()));
        connections.clear();
        CPPUNIT_ASSERT(eventually([&] { return !isOpen(held.back()); }));
        CPPUNIT_ASSERT(eventually([&] { return closer.heldUp(attacker) == 0; }));
    }

    void testASenderWithManyDescriptorsIsNotHeldUp() {
        const DescriptorSender sender = newDescriptorSender();
        DescriptorCloser closer;
        for (std::size_t count = 0; count < DescriptorCloser::MANY - 1; count++) {
            closer.close(makePipe().first.release(), sender);
            CPPUNIT_ASSERT_EQUAL(std::size_t{0}, closer.heldUp(sender));
        }
    }

    void testWhatWaitsForAThreadIsClosedAfterAShortageOfThreads() {
        const DescriptorSender sender = newDescriptorSender();
        DescriptorCloser closer;
        const int fd = makePipe().first.release();
        {
            const NoThreads shortage;
            closer.close(fd, sender);
            CPPUNIT_ASSERT_EQUAL(std::size_t{0}, closer.threads());
        }
        CPPUNIT_ASSERT(isOpen(fd));
        CPPUNIT_ASSERT(eventually([&] {
            closer.heldUp(sender);
            return !isOpen(fd);
        }));
    }

    void testAFileIsEmptiedBeforeItIsClosed() {
        DescriptorCloser closer;
        DescriptorCloser::use(&closer);
        FileDescriptor file(::memfd_create("file", MFD_CLOEXEC));
        CPPUNIT_ASSERT_EQUAL(ssize_t{5}, ::write(file.get(), "bytes", 5));
        const FileDescriptor kept = file.duplicate();
        const int fd = file.release();
        DescriptorCloser::closeAfter(&empty, fd, ANY_SENDER);
        DescriptorCloser::use(nullptr);
        CPPUNIT_ASSERT(eventually([fd] { return !isOpen(fd); }));
        CPPUNIT_ASSERT_EQUAL(off_t{0}, ::lseek(kept.get(), 0, SEEK_END));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(DescriptorCloserTest);

}  // namespace Passenger
