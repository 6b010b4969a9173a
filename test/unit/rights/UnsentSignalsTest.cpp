#include "rights/UnsentSignals.h"

#include <cppunit/extensions/HelperMacros.h>

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <stdexcept>
#include <vector>

#include "base/PidFd.h"
#include "support/CapturedLog.h"

namespace Passenger {

class UnsentSignalsTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(UnsentSignalsTest);
    CPPUNIT_TEST(testASignalIsKeptUntilItIsSent);
    CPPUNIT_TEST(testSignalsAreKeptWhereNoDescriptorIsFree);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override { signals_.makeSpares(); }

    void testASignalIsKeptUntilItIsSent() {
        signals_.keep(self_, SIGKILL);
        CPPUNIT_ASSERT_THROW(
            signals_.sendAll([](const FileDescriptor &, int) { throw std::runtime_error("the peer is gone"); }),
            std::runtime_error);
        CPPUNIT_ASSERT_EQUAL(1, sent(SIGKILL));
        CPPUNIT_ASSERT_EQUAL(0, sent(SIGKILL));
    }

    void testSignalsAreKeptWhereNoDescriptorIsFree() {
        const CapturedLog log;
        rlimit limit{};
        ::getrlimit(RLIMIT_NOFILE, &limit);
        const rlimit low{std::min<rlim_t>(limit.rlim_cur, 256), limit.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &low);
        std::vector<FileDescriptor> all;
        for (int one = 0; (one = ::dup(STDERR_FILENO)) >= 0;) {
            all.emplace_back(one);
        }
        for (int i = 0; i < 3; ++i) {
            signals_.keep(self_, SIGTERM);
        }
        all.clear();
        ::setrlimit(RLIMIT_NOFILE, &limit);
        CPPUNIT_ASSERT_EQUAL(2, sent(SIGTERM));
        CPPUNIT_ASSERT(log.text().find("a signal is lost") != std::string::npos);
    }

private:
    /** Sends what is kept: all of it are such signals, for this process. */
    int sent(int expected) {
        int count = 0;
        signals_.sendAll([&](const FileDescriptor &pidFd, int signal) {
            CPPUNIT_ASSERT_EQUAL(expected, signal);
            struct stat original {};
            struct stat kept {};
            CPPUNIT_ASSERT_EQUAL(0, ::fstat(self_.get(), &original));
            CPPUNIT_ASSERT_EQUAL(0, ::fstat(pidFd.get(), &kept));
            CPPUNIT_ASSERT_EQUAL(original.st_ino, kept.st_ino);
            ++count;
        });
        return count;
    }

    FileDescriptor self_ = openPidFd(::getpid());
    UnsentSignals signals_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(UnsentSignalsTest);

}  // namespace Passenger
