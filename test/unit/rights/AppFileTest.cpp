#include "rights/AppFile.h"

#include <cppunit/extensions/HelperMacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/Exceptions.h"
#include "support/Expect.h"
#include "support/LeakCheck.h"

namespace Passenger {

namespace fs = std::filesystem;
using AppFile::NamedBy;

class AppFileTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(AppFileTest);
    CPPUNIT_TEST(testAFileThatTheConfigurationNamesIsOpenedAsRoot);
    CPPUNIT_TEST(testLinksOfRootAreFollowedAsRoot);
    CPPUNIT_TEST(testALinkOfAnotherUserInThePathTakesRootsRightsAway);
    CPPUNIT_TEST(testAFolderThatOthersMayWriteToTakesRootsRightsAway);
    CPPUNIT_TEST(testALinkInTheFilesOwnPlaceIsNotFollowed);
    CPPUNIT_TEST(testAFileThatOnlyAChildNamesIsOpenedWithTheUsersRights);
    CPPUNIT_TEST(testAFileThatOnlyAChildNamesIsNotMadeInAFolderOfRoot);
    CPPUNIT_TEST(testFilesOfProcAndSysAreRefused);
    CPPUNIT_TEST_SUITE_END();

    std::string folder_;
    std::string path_;

    static RunAs somebody() {
        RunAs owner;
        owner.user = "somebody";
        owner.uid = 54321;
        owner.gid = 54321;
        return owner;
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        if (::geteuid() != 0) {
            return;
        }
        // Not below /tmp, where other users may write.
        char folder[] = "/root/passenger-unit-AppFileTest.XXXXXX";
        CPPUNIT_ASSERT(::mkdtemp(folder) != nullptr);
        folder_ = folder;
        path_ = folder_ + "/log";
        std::ofstream(path_) << "secret\n";
    }

    void tearDown() override {
        if (!folder_.empty()) {
            fs::remove_all(folder_);
        }
        LeakCheck::tearDown();
    }

    void testAFileThatTheConfigurationNamesIsOpenedAsRoot() {
        if (folder_.empty()) {
            return;
        }
        CPPUNIT_ASSERT(AppFile::openForReading(path_, somebody(), NamedBy::CONFIGURATION));
        CPPUNIT_ASSERT(AppFile::openForAppending(folder_ + "/new", somebody(), NamedBy::CONFIGURATION));
    }

    void testLinksOfRootAreFollowedAsRoot() {
        if (folder_.empty()) {
            return;
        }
        fs::create_symlink(".", folder_ + "/link");
        CPPUNIT_ASSERT(AppFile::openForReading(folder_ + "/link/link/log", somebody(), NamedBy::CONFIGURATION));
        fs::create_symlink("round", folder_ + "/round");
        thrownBy<SystemException>(
            [&] { AppFile::openForReading(folder_ + "/round/log", somebody(), NamedBy::CONFIGURATION); });
    }

    void testALinkOfAnotherUserInThePathTakesRootsRightsAway() {
        if (folder_.empty()) {
            return;
        }
        // The link is in the other user's folder, or behind a link of root.
        fs::create_directory(folder_ + "/his");
        fs::create_symlink(folder_, folder_ + "/his/link");
        fs::create_symlink("his/link", folder_ + "/roots");
        CPPUNIT_ASSERT_EQUAL(0, ::lchown((folder_ + "/his").c_str(), 54321, 54321));
        CPPUNIT_ASSERT_EQUAL(0, ::lchown((folder_ + "/his/link").c_str(), 54321, 54321));
        for (const char *way : {"/his/link/log", "/roots/log", "/his/../log"}) {
            const auto read = thrownBy<SystemException>(
                [&] { AppFile::openForReading(folder_ + way, somebody(), NamedBy::CONFIGURATION); });
            CPPUNIT_ASSERT_EQUAL(EACCES, read.error());
        }
        thrownBy<SystemException>(
            [&] { AppFile::openForAppending(folder_ + "/his/link/new", somebody(), NamedBy::CONFIGURATION); });
        CPPUNIT_ASSERT(!fs::exists(folder_ + "/new"));
    }

    void testAFolderThatOthersMayWriteToTakesRootsRightsAway() {
        if (folder_.empty()) {
            return;
        }
        fs::permissions(folder_, fs::perms(0755));
        fs::permissions(path_, fs::perms(0600));
        for (const unsigned mode : {0775U, 0757U, 01777U}) {
            const std::string open = folder_ + "/open" + std::to_string(mode);
            fs::create_directory(open);
            fs::permissions(open, fs::perms(mode));
            fs::create_hard_link(path_, open + "/log");
            const auto read = thrownBy<SystemException>(
                [&] { AppFile::openForReading(open + "/log", somebody(), NamedBy::CONFIGURATION); });
            CPPUNIT_ASSERT_EQUAL(EACCES, read.error());
            const std::string text = read.what();
            CPPUNIT_ASSERT(text.find("users other than root may write to its folder") != std::string::npos);
        }
    }

    void testALinkInTheFilesOwnPlaceIsNotFollowed() {
        if (folder_.empty()) {
            return;
        }
        fs::create_symlink("log", folder_ + "/link");
        const auto read = thrownBy<SystemException>(
            [&] { AppFile::openForReading(folder_ + "/link", somebody(), NamedBy::CONFIGURATION); });
        CPPUNIT_ASSERT_EQUAL(ELOOP, read.error());
        CPPUNIT_ASSERT(std::string(read.what()).find("is a symbolic link") != std::string::npos);
    }

    void testAFileThatOnlyAChildNamesIsOpenedWithTheUsersRights() {
        if (folder_.empty()) {
            return;
        }
        const auto read =
            thrownBy<SystemException>([&] { AppFile::openForReading(path_, somebody(), NamedBy::CHILD); });
        CPPUNIT_ASSERT_EQUAL(EACCES, read.error());
        CPPUNIT_ASSERT(std::string(read.what()).find("httpd's configuration does not name it") != std::string::npos);
        thrownBy<SystemException>([&] { AppFile::openForAppending(path_, somebody(), NamedBy::CHILD); });
    }

    void testAFileThatOnlyAChildNamesIsNotMadeInAFolderOfRoot() {
        if (folder_.empty()) {
            return;
        }
        fs::permissions(folder_, fs::perms(0755));
        thrownBy<SystemException>([&] { AppFile::openForAppending(folder_ + "/new", somebody(), NamedBy::CHILD); });
        CPPUNIT_ASSERT(!fs::exists(folder_ + "/new"));
    }

    void testFilesOfProcAndSysAreRefused() {
        for (const char *path : {"/proc/self/maps", "/sys/kernel/mm/transparent_hugepage/enabled"}) {
            if (fs::exists(path)) {
                thrownBy<IOException>([&] { AppFile::openForReading(path, RunAs(), NamedBy::CONFIGURATION); });
            }
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(AppFileTest);

}  // namespace Passenger
