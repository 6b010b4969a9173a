#include "base/FileRights.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/FileDescriptor.h"
#include "support/LeakCheck.h"

namespace Passenger {

namespace fs = std::filesystem;

class FileRightsTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(FileRightsTest);
    CPPUNIT_TEST(testAFolderOfProcLeadsIntoNoClosedFolder);
    CPPUNIT_TEST(testTheThreadHasTheUsersGroups);
    CPPUNIT_TEST(testRootsRightsAreThereAgain);
    CPPUNIT_TEST(testTheParentDeathSignalIsThereAgain);
    CPPUNIT_TEST_SUITE_END();

    static constexpr uid_t OWNER = 54320;
    static constexpr uid_t OTHER = 54321;

    std::string folder_;

    static FileRights rightsOf(uid_t user) { return FileRights{user, user, {user}}; }
    /** @return 0, or errno */
    static int opened(const std::string &path) {
        const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
        return file ? 0 : errno;
    }
    static int openedAs(uid_t user, const std::string &path) {
        const AsUser scope(rightsOf(user));
        return opened(path);
    }

    static std::vector<gid_t> groups() {
        std::vector<gid_t> result(static_cast<std::size_t>(::getgroups(0, nullptr)));
        CPPUNIT_ASSERT_EQUAL(static_cast<int>(result.size()),
                             ::getgroups(static_cast<int>(result.size()), result.data()));
        return result;
    }

    /** The line of the thread's effective capabilities (proc(5)). */
    static std::string capabilities() {
        std::ifstream status("/proc/thread-self/status");
        std::string line;
        while (std::getline(status, line) && !line.starts_with("CapEff:")) {
        }
        return line;
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        char folder[] = "/tmp/passenger-unit-FileRightsTest.XXXXXX";
        CPPUNIT_ASSERT(::mkdtemp(folder) != nullptr);
        folder_ = folder;
        std::ofstream(folder_ + "/file") << "secret\n";
    }
    void tearDown() override {
        fs::remove_all(folder_);
        LeakCheck::tearDown();
    }

    void testAFolderOfProcLeadsIntoNoClosedFolder() {
        if (::geteuid() != 0) {
            return;
        }
        // mkdtemp() has closed the folder. All may read the folder and the file below it.
        const std::string open = folder_ + "/open";
        fs::create_directory(open);
        fs::permissions(open, fs::perms(0755));
        std::ofstream(open + "/file") << "secret\n";
        CPPUNIT_ASSERT_EQUAL(0, ::chmod((open + "/file").c_str(), 0644));
        CPPUNIT_ASSERT_EQUAL(0, ::chown(folder_.c_str(), OWNER, OWNER));
        DescriptorPair ready = makePipe();
        const pid_t child = ::fork();
        if (child == 0) {
            if (::chdir(open.c_str()) != 0 || ::setgid(OWNER) != 0 || ::setuid(OWNER) != 0 ||
                ::write(ready.second.get(), "", 1) != 1) {
                ::_exit(1);
            }
            for (;;) {
                ::pause();
            }
        }
        char byte = 0;
        const bool begun = ::read(ready.first.get(), &byte, 1) == 1;
        const int direct = openedAs(OTHER, open + "/file");
        const int throughProc = openedAs(OTHER, "/proc/" + std::to_string(child) + "/cwd/file");
        const int owners = openedAs(OWNER, open + "/file");
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
        CPPUNIT_ASSERT(begun);
        CPPUNIT_ASSERT_EQUAL(EACCES, direct);
        CPPUNIT_ASSERT_EQUAL(EACCES, throughProc);
        CPPUNIT_ASSERT_EQUAL(0, owners);
    }

    void testTheThreadHasTheUsersGroups() {
        if (::geteuid() != 0) {
            return;
        }
        const std::vector<gid_t> before = groups();
        const std::vector<gid_t> users{OWNER, OTHER, OTHER + 65536};
        {
            const AsUser scope(FileRights{OWNER, OWNER, users});
            CPPUNIT_ASSERT(groups() == users);
        }
        CPPUNIT_ASSERT(groups() == before);
    }

    void testRootsRightsAreThereAgain() {
        if (::geteuid() != 0) {
            return;
        }
        CPPUNIT_ASSERT_EQUAL(0, ::chown(folder_.c_str(), OWNER, OWNER));
        const std::string before = capabilities();
        CPPUNIT_ASSERT_EQUAL(EACCES, openedAs(OTHER, folder_ + "/file"));
        CPPUNIT_ASSERT_EQUAL(before, capabilities());
        CPPUNIT_ASSERT_EQUAL(0, opened(folder_ + "/file"));
        // CAP_KILL and CAP_SYS_PTRACE
        const pid_t child = ::fork();
        if (child == 0) {
            ::_exit(::setuid(OTHER) == 0 ? ::pause() : 1);
        }
        CPPUNIT_ASSERT_EQUAL(0, opened("/proc/" + std::to_string(child) + "/environ"));
        CPPUNIT_ASSERT_EQUAL(0, ::kill(child, SIGKILL));
        ::waitpid(child, nullptr, 0);
    }

    void testTheParentDeathSignalIsThereAgain() {
        if (::geteuid() != 0) {
            return;
        }
        const pid_t child = ::fork();
        if (child == 0) {
            int signal = 0;
            ::prctl(PR_SET_PDEATHSIG, SIGUSR1);
            openedAs(OTHER, "/");
            ::prctl(PR_GET_PDEATHSIG, &signal);
            ::_exit(signal == SIGUSR1 ? 0 : 1);
        }
        int status = 0;
        ::waitpid(child, &status, 0);
        CPPUNIT_ASSERT_EQUAL(0, status);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(FileRightsTest);

}  // namespace Passenger
