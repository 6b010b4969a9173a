#include "standalone/ListeningSockets.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "prefork/Listening.h"
#include "support/LeakCheck.h"

namespace Passenger {

class ListeningSocketsTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(ListeningSocketsTest);
    CPPUNIT_TEST(testASuccessorRemovesTheSocketsOfItsPredecessor);
    CPPUNIT_TEST(testASuccessorThatIsNotReadyLeavesTheSocketsOfItsPredecessor);
    CPPUNIT_TEST(testASuccessorLeavesAFileThatAnotherServerHasMade);
    CPPUNIT_TEST(testASuccessorLeavesTheSocketsOfSystemd);
    CPPUNIT_TEST(testSocketsOfSystemdAreUsedForRequests);
    CPPUNIT_TEST_SUITE_END();

    std::string folder_;
    std::string path_;

    static ListeningSockets::Settings at(const std::string &path) {
        ListeningSockets::Settings settings;
        settings.addresses = {ListenAddress::unixSocket(path)};
        return settings;
    }

    /** A successor begins and ends. @param handedOver with a descriptor of its own @return whether
     *  the socket's file still exists */
    bool outlivesSuccessor(const std::string &handedOver, bool ready = true) {
        ::setenv(ListeningSockets::HANDED_OVER, handedOver.c_str(), 1);
        {
            ListeningSockets sockets(at(path_));
            sockets.start();
            CPPUNIT_ASSERT_EQUAL(std::size_t{1}, sockets.descriptors().size());
            if (ready) {
                sockets.ownHandedOver();
            }
        }
        return std::filesystem::exists(path_);
    }

    /** What a predecessor that made the file hands over. It has ended then. */
    std::string handOver() {
        ListeningSockets predecessor(at(path_));
        predecessor.start();
        const auto text = predecessor.handOver();
        predecessor.keepFiles();
        const int copy = ::fcntl(predecessor.descriptors().at(0), F_DUPFD_CLOEXEC, 0);
        return std::to_string(copy) + text.substr(std::min(text.find('='), text.size()));
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        char name[] = "/tmp/passenger.sockets.XXXXXX";
        folder_ = ::mkdtemp(name);
        path_ = folder_ + "/socket";
    }
    void tearDown() override {
        std::filesystem::remove_all(folder_);
        LeakCheck::tearDown();
    }

    void testASuccessorRemovesTheSocketsOfItsPredecessor() { CPPUNIT_ASSERT(!outlivesSuccessor(handOver())); }

    void testASuccessorThatIsNotReadyLeavesTheSocketsOfItsPredecessor() {
        CPPUNIT_ASSERT(outlivesSuccessor(handOver(), false));
    }

    void testASuccessorLeavesAFileThatAnotherServerHasMade() {
        const auto handedOver = handOver();
        // The first file stays, so that the second one gets another inode.
        std::filesystem::rename(path_, path_ + ".before");
        const FileDescriptor other = listenOnUnix(path_);
        CPPUNIT_ASSERT(outlivesSuccessor(handedOver));
    }

    void testASuccessorLeavesTheSocketsOfSystemd() {
        CPPUNIT_ASSERT(outlivesSuccessor(std::to_string(listenOnUnix(path_).release())));
    }

    void testSocketsOfSystemdAreUsedForRequests() {
        ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
        ::setenv("LISTEN_FDS", "1", 1);
        // The first descriptor that systemd passes.
        constexpr int FIRST = 3;
        const FileDescriptor before(::fcntl(FIRST, F_DUPFD_CLOEXEC, FIRST + 1));
        FileDescriptor made = listenOnTcp("127.0.0.1", 0);
        if (made.get() == FIRST) {
            static_cast<void>(made.release());
        } else {
            CPPUNIT_ASSERT_EQUAL(FIRST, ::dup2(made.get(), FIRST));
        }
        {
            ListeningSockets sockets((ListeningSockets::Settings()));
            sockets.start();
            for (const int option : {TCP_NODELAY, TCP_DEFER_ACCEPT}) {
                int value = 0;
                socklen_t size = sizeof value;
                CPPUNIT_ASSERT_EQUAL(0, ::getsockopt(sockets.descriptors().at(0), IPPROTO_TCP, option, &value, &size));
                CPPUNIT_ASSERT(value != 0);
            }
        }
        if (before) {
            ::dup2(before.get(), FIRST);
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ListeningSocketsTest);

}  // namespace Passenger
