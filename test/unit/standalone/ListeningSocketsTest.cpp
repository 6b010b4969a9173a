#include "standalone/ListeningSockets.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "prefork/Listening.h"
#include "support/LeakCheck.h"

namespace Passenger {

class ListeningSocketsTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(ListeningSocketsTest);
    CPPUNIT_TEST(testASuccessorRemovesTheSocketsOfItsPredecessor);
    CPPUNIT_TEST(testASuccessorLeavesTheSocketsOfSystemd);
    CPPUNIT_TEST(testSocketsOfSystemdAreUsedForRequests);
    CPPUNIT_TEST_SUITE_END();

    std::string folder_;
    std::string path_;

    /** Hands a socket over, and listens at these addresses. @return whether the socket's file still
     *  exists */
    bool outlives(const std::vector<ListenAddress> &addresses) {
        ::setenv(ListeningSockets::HANDED_OVER, std::to_string(listenOnUnix(path_).release()).c_str(), 1);
        {
            ListeningSockets::Settings settings;
            settings.addresses = addresses;
            ListeningSockets sockets(settings);
            sockets.start();
            CPPUNIT_ASSERT_EQUAL(std::size_t{1}, sockets.descriptors().size());
        }
        return std::filesystem::exists(path_);
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

    void testASuccessorRemovesTheSocketsOfItsPredecessor() {
        CPPUNIT_ASSERT(!outlives({ListenAddress::tcp("3000"), ListenAddress::unixSocket(path_)}));
    }

    void testASuccessorLeavesTheSocketsOfSystemd() {
        CPPUNIT_ASSERT(outlives({ListenAddress::unixSocket(path_ + ".other")}));
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
