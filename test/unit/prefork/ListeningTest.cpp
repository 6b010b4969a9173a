#include "prefork/Listening.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <exception>
#include <filesystem>
#include <future>
#include <string>
#include <vector>

#include "base/Exceptions.h"
#include "prefork/AcceptServer.h"
#include "prefork/UnixServer.h"
#include "support/Expect.h"
#include "support/LeakCheck.h"

namespace Passenger {

class ListeningTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(ListeningTest);
    CPPUNIT_TEST(testATcpServerAcceptsConnections);
    CPPUNIT_TEST(testATcpServerAcceptsConnectionsOverIpv6);
    CPPUNIT_TEST(testAPortInUseIsAnErrorThatNamesIt);
    CPPUNIT_TEST(testAnInvalidAddressIsAnErrorThatNamesIt);
    CPPUNIT_TEST(testAUnixSocketHasItsMode);
    CPPUNIT_TEST(testAStaleSocketIsReplaced);
    CPPUNIT_TEST(testALiveSocketIsAnError);
    CPPUNIT_TEST(testASocketOfAnotherUserIsNamedAsTheReason);
    CPPUNIT_TEST(testWithoutAFreeDescriptorThatIsTheReason);
    CPPUNIT_TEST(testAServerThatIsAboutToListenIsWaitedFor);
    CPPUNIT_TEST(testAnotherKindOfFileIsAnErrorAndStays);
    CPPUNIT_TEST(testAPathThatIsTooLongIsAnError);
    CPPUNIT_TEST(testAUnixServerRemovesItsFile);
    CPPUNIT_TEST(testAUnixServerLeavesAFileThatIsNotItsOwn);
    CPPUNIT_TEST_SUITE_END();

    std::string folder_;
    std::string path_;

    std::string errorAt(const std::string &path) {
        return thrownBy<IOException>([&] { listenOnUnix(path); }).what();
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        char name[] = "/tmp/passenger.listening.XXXXXX";
        folder_ = ::mkdtemp(name);
        path_ = folder_ + "/socket";
    }
    void tearDown() override {
        std::filesystem::remove_all(folder_);
        LeakCheck::tearDown();
    }

    void testATcpServerAcceptsConnections() {
        const FileDescriptor socket = listenOnTcp("127.0.0.1", 0);
        CPPUNIT_ASSERT(portOf(socket) > 0);
        CPPUNIT_ASSERT((::fcntl(socket.get(), F_GETFL) & O_NONBLOCK) != 0);
        CPPUNIT_ASSERT((::fcntl(socket.get(), F_GETFD) & FD_CLOEXEC) != 0);
        int listens = 0;
        socklen_t size = sizeof listens;
        ::getsockopt(socket.get(), SOL_SOCKET, SO_ACCEPTCONN, &listens, &size);
        CPPUNIT_ASSERT_EQUAL(1, listens);
    }

    void testATcpServerAcceptsConnectionsOverIpv6() {
        try {
            CPPUNIT_ASSERT(portOf(listenOnTcp("::1", 0)) > 0);
        } catch (const SystemException &error) {
            // The machine has no IPv6.
            CPPUNIT_ASSERT(error.error() == EADDRNOTAVAIL || error.error() == EAFNOSUPPORT);
        }
    }

    void testAPortInUseIsAnErrorThatNamesIt() {
        const FileDescriptor socket = listenOnTcp("127.0.0.1", 0);
        const auto port = portOf(socket);
        const std::string error = thrownBy<SystemException>([&] { listenOnTcp("127.0.0.1", port); }).what();
        CPPUNIT_ASSERT_EQUAL("Listening on 127.0.0.1:" + std::to_string(port) + ": Address already in use", error);
    }

    void testAnInvalidAddressIsAnErrorThatNamesIt() {
        const std::string error = thrownBy<IOException>([&] { listenOnTcp("300.0.0.1.invalid", 80); }).what();
        CPPUNIT_ASSERT_MESSAGE(error, error.starts_with("Listening on 300.0.0.1.invalid:80: "));
    }

    void testAUnixSocketHasItsMode() {
        for (const mode_t mode : {0600U, 0666U, 0660U}) {
            const FileDescriptor socket = listenOnUnix(path_, mode);
            struct stat status {};
            CPPUNIT_ASSERT_EQUAL(0, ::stat(path_.c_str(), &status));
            CPPUNIT_ASSERT_EQUAL(mode, status.st_mode & 0777);
        }
    }

    void testAStaleSocketIsReplaced() {
        listenOnUnix(path_);
        CPPUNIT_ASSERT(std::filesystem::exists(path_));
        const FileDescriptor socket = listenOnUnix(path_);
        CPPUNIT_ASSERT(socket);
    }

    void testALiveSocketIsAnError() {
        const FileDescriptor socket = listenOnUnix(path_);
        CPPUNIT_ASSERT_EQUAL(
            "Cannot listen at " + path_ + ": another process listens there; end it or choose another path",
            errorAt(path_));
    }

    void testASocketOfAnotherUserIsNamedAsTheReason() {
        if (::geteuid() != 0) {
            return;
        }
        constexpr uid_t OTHER = 65534;
        listenOnUnix(path_, 0600);
        std::string error;
        CPPUNIT_ASSERT_EQUAL(0, ::chmod(folder_.c_str(), 0777));
        CPPUNIT_ASSERT_EQUAL(0, ::seteuid(OTHER));
        try {
            listenOnUnix(path_);
        } catch (const std::exception &thrown) {
            error = thrown.what();
        }
        CPPUNIT_ASSERT_EQUAL(0, ::seteuid(0));
        CPPUNIT_ASSERT_MESSAGE(error, error.find("to which this user may not connect") != std::string::npos);
    }

    void testWithoutAFreeDescriptorThatIsTheReason() {
        listenOnUnix(path_);
        rlimit before{};
        CPPUNIT_ASSERT_EQUAL(0, ::getrlimit(RLIMIT_NOFILE, &before));
        // The socket that is to listen gets the only free descriptor.
        std::vector<FileDescriptor> filling;
        do {
            filling.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        } while (filling.back().get() < 64);
        rlimit few = before;
        few.rlim_cur = 65;
        CPPUNIT_ASSERT_EQUAL(0, ::setrlimit(RLIMIT_NOFILE, &few));
        filling.pop_back();
        int error = 0;
        try {
            listenOnUnix(path_);
        } catch (const SystemException &thrown) {
            error = thrown.error();
        } catch (const std::exception &) {
            error = -1;
        }
        ::setrlimit(RLIMIT_NOFILE, &before);
        CPPUNIT_ASSERT_EQUAL(EMFILE, error);
    }

    void testAServerThatIsAboutToListenIsWaitedFor() {
        // Another server has bound its socket, but does not listen yet.
        FileDescriptor folder(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        CPPUNIT_ASSERT_EQUAL(0, ::flock(folder.get(), LOCK_EX));
        const FileDescriptor first(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path_.copy(address.sun_path, sizeof address.sun_path - 1);
        CPPUNIT_ASSERT_EQUAL(0, ::bind(first.get(), reinterpret_cast<sockaddr *>(&address), sizeof address));
        auto second = std::async(std::launch::async, [this] { return errorAt(path_); });
        CPPUNIT_ASSERT(second.wait_for(std::chrono::milliseconds(50)) == std::future_status::timeout);
        CPPUNIT_ASSERT_EQUAL(0, ::listen(first.get(), 1));
        folder.reset();
        CPPUNIT_ASSERT(second.get().find("another process listens there") != std::string::npos);
    }

    void testAnotherKindOfFileIsAnErrorAndStays() {
        std::filesystem::create_directory(path_);
        CPPUNIT_ASSERT(errorAt(path_).find("a file that is not a socket") != std::string::npos);
        CPPUNIT_ASSERT(std::filesystem::is_directory(path_));
    }

    void testAPathThatIsTooLongIsAnError() {
        CPPUNIT_ASSERT(errorAt(folder_ + "/" + std::string(108, 'x')).find("1 to 107 bytes") != std::string::npos);
        CPPUNIT_ASSERT(errorAt("").find("1 to 107 bytes") != std::string::npos);
    }

    void testAUnixServerRemovesItsFile() {
        {
            UnixServer server(path_, [](FileDescriptor) {});
            server.start();
            CPPUNIT_ASSERT(std::filesystem::exists(path_));
        }
        CPPUNIT_ASSERT(!std::filesystem::exists(path_));
    }

    void testAUnixServerLeavesAFileThatIsNotItsOwn() {
        FileDescriptor other;
        {
            UnixServer server(path_, [](FileDescriptor) {});
            server.start();
            std::filesystem::rename(path_, path_ + ".old");
            other = listenOnUnix(path_);
        }
        CPPUNIT_ASSERT(std::filesystem::exists(path_));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ListeningTest);

}  // namespace Passenger
