#include "rights/OwnerSearch.h"

#include <cppunit/extensions/HelperMacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "base/SystemUserDatabase.h"
#include "support/LeakCheck.h"

namespace Passenger {

namespace fs = std::filesystem;

/** Tests as root only, since only root can make files of other users. */
class OwnerSearchTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(OwnerSearchTest);
    CPPUNIT_TEST(testTheOwnerIsThatOfTheLastName);
    CPPUNIT_TEST(testALinkAtTheEndIsFollowedOnlyWithASlash);
    CPPUNIT_TEST(testLinksWithinThePathAreFollowed);
    CPPUNIT_TEST(testALinkOfRootIsTrusted);
    CPPUNIT_TEST(testALinkOfTheOwnerIsTrusted);
    CPPUNIT_TEST(testALinkOfAnotherUserIsNotTrusted);
    CPPUNIT_TEST(testOneLinkOfAnotherUserAmongOthersIsNotTrusted);
    CPPUNIT_TEST(testALinkIsFollowedWithTheRightsOfItsOwner);
    CPPUNIT_TEST(testAFolderIsSearchedWithTheRightsOfItsOwner);
    CPPUNIT_TEST(testOnlyUsersOfFoldersOnTheWayAreLookedUp);
    CPPUNIT_TEST(testAMissingNameIsAnError);
    CPPUNIT_TEST(testLinksInACircleAreAnError);
    CPPUNIT_TEST_SUITE_END();

    static constexpr uid_t ALICE = 54321;
    static constexpr uid_t MALLORY = 54322;

    /** Counts the searches for users. */
    class CountingDatabase final : public UserDatabase {
    public:
        std::optional<User> userNamed(const std::string &) const override { return std::nullopt; }
        std::optional<User> userWithId(uid_t) const override {
            searches++;
            return std::nullopt;
        }
        std::optional<Group> groupNamed(const std::string &) const override { return std::nullopt; }
        std::optional<Group> groupWithId(gid_t) const override { return std::nullopt; }

        mutable int searches = 0;
    };

    SystemUserDatabase database_;
    std::string root_;

    tl::expected<FileOwner, int> find(const std::string &path) const {
        return OwnerSearch(database_).find(root_ + "/" + path);
    }
    /** Makes the file and the folders above it. */
    void file(const std::string &path, uid_t owner) const {
        fs::create_directories(fs::path(root_ + "/" + path).parent_path());
        std::ofstream(root_ + "/" + path) << "run\n";
        own(path, owner);
    }
    void link(const std::string &target, const std::string &path, uid_t owner) const {
        fs::create_symlink(target, root_ + "/" + path);
        own(path, owner);
    }
    void own(const std::string &path, uid_t owner) const {
        CPPUNIT_ASSERT_EQUAL(0, ::lchown((root_ + "/" + path).c_str(), owner, owner));
    }
    void close(const std::string &folder) const { fs::permissions(root_ + "/" + folder, fs::perms::owner_all); }

public:
    void setUp() override {
        LeakCheck::setUp();
        char folder[] = "/tmp/passenger-unit-OwnerSearchTest.XXXXXX";
        CPPUNIT_ASSERT(::mkdtemp(folder) != nullptr);
        fs::permissions(folder, fs::perms(0755));
        root_ = fs::canonical(folder);
        if (::geteuid() == 0) {
            file("alice/app/config.ru", ALICE);
            own("alice", ALICE);
            own("alice/app", ALICE);
            file("mallory/file", MALLORY);
            own("mallory", MALLORY);
        }
    }

    void tearDown() override {
        fs::remove_all(root_);
        LeakCheck::tearDown();
    }

    void testTheOwnerIsThatOfTheLastName() {
        if (::geteuid() != 0) {
            return;
        }
        const auto owner = find("alice//app/../app/./config.ru");
        CPPUNIT_ASSERT(owner);
        CPPUNIT_ASSERT_EQUAL(ALICE, owner->uid);
        CPPUNIT_ASSERT_EQUAL(ALICE, owner->gid);
        CPPUNIT_ASSERT_EQUAL(std::string(), owner->doubt);
        CPPUNIT_ASSERT_EQUAL(uid_t(0), OwnerSearch(database_).find("/")->uid);
    }

    void testALinkAtTheEndIsFollowedOnlyWithASlash() {
        if (::geteuid() != 0) {
            return;
        }
        link(root_ + "/alice/app", "mallory/app", MALLORY);
        CPPUNIT_ASSERT_EQUAL(MALLORY, find("mallory/app")->uid);
        CPPUNIT_ASSERT_EQUAL(std::string(), find("mallory/app")->doubt);
        CPPUNIT_ASSERT_EQUAL(ALICE, find("mallory/app/")->uid);
        CPPUNIT_ASSERT(!find("mallory/app/")->doubt.empty());
    }

    void testLinksWithinThePathAreFollowed() {
        if (::geteuid() != 0) {
            return;
        }
        link("alice", "relative", 0);
        link(root_ + "/relative/app", "absolute", 0);
        CPPUNIT_ASSERT_EQUAL(ALICE, find("absolute/config.ru")->uid);
    }

    void testALinkOfRootIsTrusted() {
        if (::geteuid() != 0) {
            return;
        }
        link("alice", "link", 0);
        CPPUNIT_ASSERT_EQUAL(std::string(), find("link/app/config.ru")->doubt);
    }

    void testALinkOfTheOwnerIsTrusted() {
        if (::geteuid() != 0) {
            return;
        }
        link("app", "alice/current", ALICE);
        CPPUNIT_ASSERT_EQUAL(std::string(), find("alice/current/config.ru")->doubt);
    }

    void testALinkOfAnotherUserIsNotTrusted() {
        if (::geteuid() != 0) {
            return;
        }
        link(root_ + "/alice/app", "mallory/app", MALLORY);
        const auto owner = find("mallory/app/config.ru");
        CPPUNIT_ASSERT(owner);
        const std::string path = root_ + "/mallory/app";
        CPPUNIT_ASSERT_EQUAL("the link " + path + " belongs to user 54322, and its target does not: chown -h root " +
                                 path + ", or name the user by PassengerUser",
                             owner->doubt);
    }

    void testOneLinkOfAnotherUserAmongOthersIsNotTrusted() {
        if (::geteuid() != 0) {
            return;
        }
        link(root_ + "/alice/current", "mallory/app", MALLORY);
        link("app", "alice/current", ALICE);
        CPPUNIT_ASSERT(!find("mallory/app/config.ru")->doubt.empty());
    }

    void testALinkIsFollowedWithTheRightsOfItsOwner() {
        if (::geteuid() != 0) {
            return;
        }
        file("closed/there", 0);
        close("closed");
        link(root_ + "/closed", "mallory/app", MALLORY);
        CPPUNIT_ASSERT_EQUAL(EACCES, find("mallory/app/there").error());
        CPPUNIT_ASSERT_EQUAL(EACCES, find("mallory/app/missing").error());
        CPPUNIT_ASSERT(find("closed/there"));
    }

    void testAFolderIsSearchedWithTheRightsOfItsOwner() {
        if (::geteuid() != 0) {
            return;
        }
        // A folder that even its owner may not enter shows whose rights are used.
        fs::permissions(root_ + "/alice", fs::perms::owner_read);
        CPPUNIT_ASSERT_EQUAL(EACCES, find("alice/app/config.ru").error());
        close("alice");
        CPPUNIT_ASSERT(find("alice/app/config.ru"));
    }

    void testOnlyUsersOfFoldersOnTheWayAreLookedUp() {
        if (::geteuid() != 0) {
            return;
        }
        own("alice", 0);
        const CountingDatabase counting;
        CPPUNIT_ASSERT_EQUAL(ALICE, OwnerSearch(counting).find(root_ + "/alice/app")->uid);
        CPPUNIT_ASSERT_EQUAL(0, counting.searches);
        CPPUNIT_ASSERT_EQUAL(ALICE, OwnerSearch(counting).find(root_ + "/alice/app/config.ru")->uid);
        CPPUNIT_ASSERT_EQUAL(1, counting.searches);
    }

    void testAMissingNameIsAnError() {
        if (::geteuid() != 0) {
            return;
        }
        CPPUNIT_ASSERT_EQUAL(ENOENT, find("alice/app/missing").error());
        CPPUNIT_ASSERT_EQUAL(ENOENT, find("nowhere/config.ru").error());
        CPPUNIT_ASSERT_EQUAL(ENOTDIR, find("alice/app/config.ru/x").error());
    }

    void testLinksInACircleAreAnError() {
        if (::geteuid() != 0) {
            return;
        }
        link("two", "one", 0);
        link("one", "two", 0);
        CPPUNIT_ASSERT_EQUAL(ELOOP, find("one/config.ru").error());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(OwnerSearchTest);

}  // namespace Passenger
