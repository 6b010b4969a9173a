#include "rights/SocketFolders.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/Exceptions.h"
#include "base/FileDescriptor.h"
#include "support/Eventually.h"
#include "support/Expect.h"
#include "support/HeldFolder.h"
#include "support/LeakCheck.h"

namespace Passenger {

namespace fs = std::filesystem;

class SocketFoldersTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(SocketFoldersTest);
    CPPUNIT_TEST(testAnExistingFolderIsUsedAgain);
    CPPUNIT_TEST(testAnExistingFolderIsUsedAlthoughTheFolderAboveIsHeld);
    CPPUNIT_TEST(testAnotherUsersFolderIsRefused);
    CPPUNIT_TEST(testAFolderThatOtherUsersMayChangeIsRefusedUnlessItIsSticky);
    CPPUNIT_TEST(testAFolderWhoseSocketsHaveTooLongPathsIsRefused);
    CPPUNIT_TEST(testTheFolderOfAnEndedBridgeIsRemoved);
    CPPUNIT_TEST(testAFolderInUseStays);
    CPPUNIT_TEST(testOnlyLeftFoldersWithoutABridgeAreRemoved);
    CPPUNIT_TEST_SUITE_END();

    /** No process has such an id. */
    static constexpr pid_t LEFT = 999'999'999;

    std::string parent_;
    std::string folder_;

    std::string refusal() const {
        return thrownBy<IOException>([this] { SocketFolders(folder_).prepare(); }).what();
    }

    std::string makeLeft() const {
        std::string left = folder_ + "/passenger." + std::to_string(LEFT) + ".abcdef";
        SocketFolders(folder_).prepare();
        CPPUNIT_ASSERT(fs::create_directory(left));
        return left;
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        char folder[] = "/tmp/passenger-unit-SocketFoldersTest.XXXXXX";
        CPPUNIT_ASSERT(::mkdtemp(folder) != nullptr);
        parent_ = folder;
        folder_ = parent_ + "/sockets";
    }

    void tearDown() override {
        fs::remove_all(parent_);
        LeakCheck::tearDown();
    }

    void testAnExistingFolderIsUsedAgain() {
        SocketFolders(folder_).prepare();
        SocketFolders(folder_).prepare();
        CPPUNIT_ASSERT(fs::is_directory(folder_));
    }

    // Any user can hold the folder "/", above /tmp.
    void testAnExistingFolderIsUsedAlthoughTheFolderAboveIsHeld() {
        SocketFolders(folder_).prepare();
        pid_t child = 0;
        bool ended = false;
        int status = 0;
        {
            const HeldFolder above(parent_);
            child = ::fork();
            if (child == 0) {
                SocketFolders(folder_).prepare();
                ::_exit(0);
            }
            ended = eventually([&] { return ::waitpid(child, &status, WNOHANG) == child; });
        }
        if (!ended) {
            ::waitpid(child, &status, 0);
        }
        CPPUNIT_ASSERT(ended);
        CPPUNIT_ASSERT_EQUAL(0, status);
    }

    void testAnotherUsersFolderIsRefused() {
        if (::geteuid() != 0) {
            return;
        }
        SocketFolders(folder_).prepare();
        CPPUNIT_ASSERT_EQUAL(0, ::chown(folder_.c_str(), 54321, 54321));
        CPPUNIT_ASSERT_EQUAL(folder_ + " belongs to user 54321: make it belong to root, or name another folder",
                             refusal());
    }

    void testAFolderThatOtherUsersMayChangeIsRefusedUnlessItIsSticky() {
        fs::create_directory(folder_);
        for (const mode_t mode : {0770U, 0707U, 0777U}) {
            CPPUNIT_ASSERT_EQUAL(0, ::chmod(folder_.c_str(), mode));
            CPPUNIT_ASSERT(refusal().find("chmod +t " + folder_) != std::string::npos);
        }
        CPPUNIT_ASSERT_EQUAL(0, ::chmod(folder_.c_str(), 01777));
        SocketFolders(folder_).prepare();
    }

    void testAFolderWhoseSocketsHaveTooLongPathsIsRefused() {
        folder_.append(75 - folder_.size(), 'x');
        SocketFolders(folder_).prepare();
        folder_ += 'x';
        CPPUNIT_ASSERT_EQUAL("PassengerSpawnDir \"" + folder_ +
                                 "\" has 76 bytes, and may have 75: the path of a socket in it has at most 107",
                             refusal());
        CPPUNIT_ASSERT(!fs::exists(folder_));
    }

    void testTheFolderOfAnEndedBridgeIsRemoved() {
        const std::string left = makeLeft();
        SocketFolders(folder_).removeOf(LEFT / 10);
        CPPUNIT_ASSERT(fs::exists(left));
        SocketFolders(folder_).removeOf(LEFT);
        CPPUNIT_ASSERT(!fs::exists(left));
    }

    void testAFolderInUseStays() {
        const std::string left = makeLeft();
        const FileDescriptor user(::open(left.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        CPPUNIT_ASSERT_EQUAL(0, ::flock(user.get(), LOCK_SH | LOCK_NB));
        SocketFolders(folder_).removeOf(LEFT);
        SocketFolders(folder_).removeLeft();
        CPPUNIT_ASSERT(fs::exists(left));
    }

    void testOnlyLeftFoldersWithoutABridgeAreRemoved() {
        const std::string left = makeLeft();
        const std::string young = folder_ + "/passenger." + std::to_string(::getpid()) + ".abcdef";
        const std::string foreign = folder_ + "/passenger.mine";
        fs::create_directory(young);
        fs::create_directory(foreign);
        SocketFolders(folder_).removeLeft();
        CPPUNIT_ASSERT(!fs::exists(left));
        CPPUNIT_ASSERT_MESSAGE("Its bridge has no lock yet", fs::exists(young));
        CPPUNIT_ASSERT(fs::exists(foreign));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SocketFoldersTest);

}  // namespace Passenger
