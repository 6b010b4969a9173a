#include "rights/UserResolver.h"

#include <cppunit/extensions/HelperMacros.h>

#include <cerrno>
#include <map>
#include <string>
#include <vector>

namespace Passenger {

namespace {

/** root, alice, bob (also in alice's group), nobody; "lonely" has a primary group that does not
 *  exist. */
class FakeDatabase final : public UserDatabase {
public:
    std::optional<User> userNamed(const std::string &name) const override {
        for (const auto &user : users_) {
            if (user.name == name) {
                return user;
            }
        }
        return std::nullopt;
    }
    std::optional<User> userWithId(uid_t uid) const override {
        for (const auto &user : users_) {
            if (user.uid == uid) {
                return user;
            }
        }
        return std::nullopt;
    }
    std::optional<Group> groupNamed(const std::string &name) const override {
        for (const auto &group : groups_) {
            if (group.name == name) {
                return group;
            }
        }
        return std::nullopt;
    }
    std::optional<Group> groupWithId(gid_t gid) const override {
        for (const auto &group : groups_) {
            if (group.gid == gid) {
                return group;
            }
        }
        return std::nullopt;
    }

private:
    const std::vector<User> users_ = {
        {"root", 0, 0}, {"alice", 1001, 2001}, {"bob", 1002, 2002}, {"nobody", 65534, 65534}, {"lonely", 1003, 2999}};
    const std::vector<Group> groups_ = {{"root", 0},   {"alices", 2001},   {"bobs", 2002},
                                        {"web", 2003}, {"nogroup", 65534}, {"defaults", 2004}};
};

}  // namespace

class UserResolverTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(UserResolverTest);
    CPPUNIT_TEST(testThePlaceAndTheOwnerDecideTheUserAndGroup);
    CPPUNIT_TEST(testWithoutRootUsersAreNotSwitched);
    CPPUNIT_TEST(testAMissingFolderIsNamed);
    CPPUNIT_TEST(testAMissingStartupFileIsNamed);
    CPPUNIT_TEST(testTheFolderIsNotTouchedWhenTheUserIsGiven);
    CPPUNIT_TEST(testAnAbsoluteStartupFileIsNotChanged);
    CPPUNIT_TEST(testAReplacedUserOrGroupIsNoted);
    CPPUNIT_TEST(testAnOwnerWhoIsReplacedIsNoted);
    CPPUNIT_TEST(testWhatIsNotGrantedIsRefused);
    CPPUNIT_TEST(testAUserOfAnotherFolderNeedsToOwnTheStartupFile);
    CPPUNIT_TEST(testANameOfTheConfigurationIsForFoldersOfTheSameOwnerOnly);
    CPPUNIT_TEST_SUITE_END();

    /** The configuration and the owner of the startup file, and the expected user and group. User
     *  "": `error` is a part of the expected reason. */
    struct Case {
        const char *what;
        const char *user;
        const char *group;
        FileOwner owner;
        const char *expectedUser;
        const char *expectedGroup;
        const char *defaultUser = "nobody";
        const char *defaultGroup = "";
        bool switching = true;
        const char *error = "";
    };

    static inline const FileOwner ROOTS{0, 0};
    static inline const FileOwner ALICES{1001, 2001};
    static inline const FileOwner UNKNOWNS{1234, 1234};

    FakeDatabase database_;
    std::map<std::string, FileOwner> owners_;
    GrantsInForce grants_;
    const UserResolver resolver_{database_,
                                 [this](const std::string &path) -> tl::expected<FileOwner, int> {
                                     const auto found = owners_.find(path);
                                     if (found == owners_.end()) {
                                         return tl::unexpected(ENOENT);
                                     }
                                     return found->second;
                                 },
                                 grants_};

    static Options options() {
        Options options;
        options.appRoot = "/srv/blog";
        return options;
    }

    void check(const Case &row) {
        Options options = UserResolverTest::options();
        options.user = row.user;
        options.group = row.group;
        options.defaultUser = row.defaultUser;
        options.defaultGroup = row.defaultGroup;
        options.userSwitching = row.switching;
        owners_["/srv/blog/config.ru"] = row.owner;

        const auto result = resolver_.resolve(options, true);
        if (*row.error != '\0') {
            CPPUNIT_ASSERT_MESSAGE(row.what, !result);
            CPPUNIT_ASSERT_MESSAGE(row.what + (": " + result.error()),
                                   result.error().find(row.error) != std::string::npos);
            return;
        }
        CPPUNIT_ASSERT_MESSAGE(row.what, result.has_value());
        CPPUNIT_ASSERT_EQUAL_MESSAGE(row.what, std::string(row.expectedUser), result->user);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(row.what, std::string(row.expectedGroup), result->group);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(row.what, database_.userNamed(row.expectedUser)->uid, result->uid);
        CPPUNIT_ASSERT_EQUAL_MESSAGE(row.what, database_.groupNamed(row.expectedGroup)->gid, result->gid);
    }

public:
    void testThePlaceAndTheOwnerDecideTheUserAndGroup() {
        const Case cases[] = {
            {"the owner, with the primary group", "", "", ALICES, "alice", "alices"},
            {"the owner, even of a file of another group", "", "", {1002, 2001}, "bob", "bobs"},
            {"root's files", "", "", ROOTS, "nobody", "nogroup"},
            {"root's files, default group", "", "", ROOTS, "nobody", "defaults", "nobody", "defaults"},
            {"root's files, another default user", "", "", ROOTS, "bob", "bobs", "bob"},
            {"an unknown owner", "", "", UNKNOWNS, "nobody", "nogroup"},
            {"the default group is not for ordinary users", "", "", ALICES, "alice", "alices", "nobody", "defaults"},
            {"a given user", "bob", "", ALICES, "bob", "bobs"},
            {"a given user that is root", "root", "", ALICES, "nobody", "nogroup"},
            {"a given user that does not exist", "carol", "", ALICES, "nobody", "nogroup"},
            {"a given group", "", "web", ALICES, "alice", "web"},
            {"a given group with the default user", "", "web", ROOTS, "nobody", "web", "nobody", "defaults"},
            {"a given group that is root's", "", "root", ALICES, "alice", "alices"},
            {"a given group that does not exist", "", "wheel", ALICES, "alice", "defaults", "nobody", "defaults"},
            {"both given", "bob", "web", ALICES, "bob", "web"},
            {"the startup file's group", "", "!STARTUP_FILE!", {1001, 2003}, "alice", "web"},
            {"the startup file's group, of a given user", "bob", "!STARTUP_FILE!", {1001, 2003}, "bob", "web"},
            {"the startup file's group, root's", "", "!STARTUP_FILE!", {1001, 0}, "alice", "alices"},
            {"the startup file's group, unknown", "", "!STARTUP_FILE!", {1001, 4321}, "alice", "alices"},
            {"no switching", "alice", "web", ALICES, "nobody", "nogroup", "nobody", "", false},
            {"no switching, default group", "alice", "web", ALICES, "nobody", "defaults", "nobody", "defaults", false},
            {"a default user that does not exist", "", "", ROOTS, "", "", "nemo", "", true, "default user \"nemo\""},
            {"a default user that is root", "", "", ROOTS, "", "", "root", "", true, "default user \"root\" is root"},
            {"no switching to root", "alice", "", ALICES, "", "", "root", "", false, "default user \"root\" is root"},
            {"a default group that is root's", "", "", ROOTS, "", "", "nobody", "root", true,
             "default group \"root\" is root's"},
            {"a default group that does not exist", "", "", ROOTS, "", "", "nobody", "none", true,
             "default group \"none\""},
            {"a primary group that does not exist", "lonely", "", ALICES, "", "", "nobody", "", true,
             "primary group 2999"},
        };
        for (const auto &row : cases) {
            check(row);
        }
    }

    void testWithoutRootUsersAreNotSwitched() {
        owners_["/srv/blog/config.ru"] = ALICES;
        Options options = UserResolverTest::options();
        options.user = "bob";
        const auto result = resolver_.resolve(options, false);
        CPPUNIT_ASSERT(result.has_value());
        CPPUNIT_ASSERT(!result->switches());
        CPPUNIT_ASSERT_EQUAL(std::string(), result->group);
    }

    void testAMissingFolderIsNamed() {
        for (const bool canSwitch : {true, false}) {
            const auto result = resolver_.resolve(options(), canSwitch);
            CPPUNIT_ASSERT_EQUAL(
                std::string("the application's folder \"/srv/blog\" cannot be used: No such file or directory"),
                result.error());
        }
    }

    void testAMissingStartupFileIsNamed() {
        owners_["/srv/blog"] = ALICES;
        for (const bool canSwitch : {true, false}) {
            const auto result = resolver_.resolve(options(), canSwitch);
            CPPUNIT_ASSERT_EQUAL(
                std::string(
                    "the application's startup file \"/srv/blog/config.ru\" cannot be used: No such file or directory"),
                result.error());
        }
    }

    void testTheFolderIsNotTouchedWhenTheUserIsGiven() {
        Options options = UserResolverTest::options();
        options.user = "alice";
        CPPUNIT_ASSERT_EQUAL(std::string("alice"), resolver_.resolve(options, true)->user);
    }

    void testAnAbsoluteStartupFileIsNotChanged() {
        Options options = UserResolverTest::options();
        options.startupFile = "/etc/blog/start.ru";
        CPPUNIT_ASSERT_EQUAL(std::string("/etc/blog/start.ru"), UserResolver::startupFilePath(options));
    }

    void testAReplacedUserOrGroupIsNoted() {
        Options options = UserResolverTest::options();
        options.user = "carol";
        options.group = "wheel";
        CPPUNIT_ASSERT_EQUAL(std::string("user \"carol\" does not exist, so \"nobody\" is used; "
                                         "group \"wheel\" does not exist, so \"nogroup\" is used"),
                             resolver_.resolve(options, true)->note);
    }

    void testAnOwnerWhoIsReplacedIsNoted() {
        owners_["/srv/blog/config.ru"] = ROOTS;
        CPPUNIT_ASSERT_EQUAL(std::string("the application's owner, user 0, is root, so \"nobody\" is used"),
                             resolver_.resolve(options(), true)->note);
    }

    void testWhatIsNotGrantedIsRefused() {
        grants_.use("server\nany folder\nruby ruby\n", {});
        Options options = UserResolverTest::options();
        options.user = "bob";
        for (const bool canSwitch : {true, false}) {
            const auto result = resolver_.resolve(options, canSwitch);
            CPPUNIT_ASSERT(!result);
            CPPUNIT_ASSERT(result.error().starts_with("httpd's configuration has no PassengerUser \"bob\""));
        }
    }

    void testAUserOfAnotherFolderNeedsToOwnTheStartupFile() {
        grants_.use("server\nany folder\nruby ruby\nserver\nuser bob\ngroup web\ndocument_root /srv/bob/public\n", {});
        Options options = UserResolverTest::options();
        options.user = "bob";
        owners_["/srv/blog/config.ru"] = ALICES;
        const auto refused = resolver_.resolve(options, true);
        CPPUNIT_ASSERT(!refused);
        CPPUNIT_ASSERT_EQUAL(std::string("httpd's configuration has PassengerUser \"bob\", but not for the folder "
                                         "\"/srv/blog\": set PassengerAppRoot to it in the same place"),
                             refused.error());
        owners_["/srv/blog/config.ru"].doubt = "a link";
        owners_["/srv/blog/config.ru"].uid = 1002;
        CPPUNIT_ASSERT(!resolver_.resolve(options, true));
        for (const uid_t owner : {1002U, 0U}) {
            owners_["/srv/blog/config.ru"] = {owner, 0};
            CPPUNIT_ASSERT_EQUAL(std::string("bob"), resolver_.resolve(options, true)->user);
        }
        options.group = "web";
        CPPUNIT_ASSERT(!resolver_.resolve(options, true));
        options.appRoot = "/srv/bob";
        CPPUNIT_ASSERT_EQUAL(std::string("web"), resolver_.resolve(options, true)->group);
    }

    // A release that is no longer the current one is such a folder, if links decide about it.
    void testANameOfTheConfigurationIsForFoldersOfTheSameOwnerOnly() {
        grants_.use(
            "server\nruby ruby\nserver\napp_group_name shared\nresolve_symlinks On\n"
            "document_root /srv/bob/current/public\n",
            {});
        Options options = UserResolverTest::options();
        options.appGroupName = "shared";
        owners_["/srv/bob/current/config.ru"] = {1002, 0};
        owners_["/srv/blog/config.ru"] = ALICES;
        const auto refused = resolver_.resolve(options, true);
        CPPUNIT_ASSERT(!refused);
        CPPUNIT_ASSERT(refused.error().starts_with(
            "httpd's configuration has PassengerAppGroupName \"shared\", but not for the folder \"/srv/blog\""));
        owners_["/srv/blog/config.ru"] = {1002, 0};
        CPPUNIT_ASSERT_EQUAL(std::string("bob"), resolver_.resolve(options, true)->user);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(UserResolverTest);

}  // namespace Passenger
