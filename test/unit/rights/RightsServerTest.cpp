#include "rights/RightsServer.h"

#include <cppunit/extensions/HelperMacros.h>

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "rights/RightsMessages.h"
#include "support/RightsFixture.h"

namespace Passenger {

/** What the rights process refuses to a pool process that was taken over. */
class RightsServerTest : public RightsFixture {
    CPPUNIT_TEST_SUITE(RightsServerTest);
    CPPUNIT_TEST(testAnUnknownVerbIsRefused);
    CPPUNIT_TEST(testARequestWithoutItsFieldsIsRefused);
    CPPUNIT_TEST(testAFileThatTheConfigurationDoesNotNameIsRefused);
    CPPUNIT_TEST(testAFileOfTheConfigurationIsOpenedForTheUserOfAnApplication);
    CPPUNIT_TEST(testFilesAreNotSeenWithTheRightsOfAUserWithoutApplications);
    CPPUNIT_TEST(testAnApplicationKeepsItsUserWhenItsLimitsChange);
    CPPUNIT_TEST(testTheOwnerOfAFileThatIsNoStartupFileIsNoUser);
    CPPUNIT_TEST(testWithOneUserNoOtherOneSeesFiles);
    CPPUNIT_TEST(testALookHasAsManyFoldersAsItsNumberSays);
    CPPUNIT_TEST(testOnlyFoldersOfTheRegistryAreRemoved);
    CPPUNIT_TEST(testSeveralLooksAreCheckedOneByOne);
    CPPUNIT_TEST(testAUserThatTheApplicationDoesNotHaveGetsNoSpawnServer);
    CPPUNIT_TEST(testAnApplicationOutsideTheConfigurationGetsNoUser);
    CPPUNIT_TEST(testNothingIsStartedAsTheAgentsUser);
    CPPUNIT_TEST(testAUrlThatTheConfigurationDoesNotNameIsRefused);
    CPPUNIT_TEST(testTheCommandOfAnEventIsTheConfigurationsAndHasOnlyItsVariables);
    CPPUNIT_TEST_SUITE_END();

public:
    void testAnUnknownVerbIsRefused() { assertRefused({"become_root"}, "there is no right"); }

    void testARequestWithoutItsFieldsIsRefused() {
        for (const char *verb : {RightsVerb::START_SPAWN_SERVER, RightsVerb::APPEND, RightsVerb::WATCH,
                                 RightsVerb::FACTS, RightsVerb::MEMORY, RightsVerb::MAKE_REGISTRY, RightsVerb::PLACE}) {
            assertRefused({verb}, "");
        }
        assertRefused({}, "");
    }

    void testAFileThatTheConfigurationDoesNotNameIsRefused() {
        assertRefused({RightsVerb::APPEND, "/etc/passwd", "user", "nobody"}, "does not name");
        assertRefused({RightsVerb::READ, "/etc/shadow", "user", "nobody"}, "does not name");
    }

    void testAFileOfTheConfigurationIsOpenedForTheUserOfAnApplication() {
        if (::geteuid() != 0) {
            return;
        }
        const Frame answer = ask({RightsVerb::APPEND, path_, "user", "nobody", "app_root", "/srv/any"});
        CPPUNIT_ASSERT(answer.type == FrameType::RIGHTS_DONE);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, answer.descriptors.size());
        struct stat status {};
        CPPUNIT_ASSERT_EQUAL(0, ::fstat(answer.descriptors[0].get(), &status));
        CPPUNIT_ASSERT_EQUAL(NOBODY, status.st_uid);
    }

    void testFilesAreNotSeenWithTheRightsOfAUserWithoutApplications() {
        for (const char *verb : {RightsVerb::APPEND, RightsVerb::READ}) {
            assertRefused({verb, path_, "user", "daemon"}, "no place with the folder");
            assertRefused({verb, path_, "user", "root"}, "no place with the folder");
            assertRefused({verb, path_, "user", "nobody", "group", "shadow"}, "no place with the folder");
        }
        for (const char *verb : {RightsVerb::MODIFIED, RightsVerb::WATCH}) {
            CPPUNIT_ASSERT(::geteuid() != 0 || !look(verb, "/tmp", {"user", "nobody"}).empty());
            CPPUNIT_ASSERT(look(verb, "/tmp", {"user", "daemon"}).empty());
            CPPUNIT_ASSERT(look(verb, "/tmp", {"user", "root"}).empty());
            CPPUNIT_ASSERT(look(verb, "/tmp", {"user", "nobody", "group", "shadow"}).empty());
        }
        CPPUNIT_ASSERT(!std::filesystem::exists(path_));
        server_.usePool(NOBODY, 4712);
        for (const char *verb : {RightsVerb::APPEND, RightsVerb::READ}) {
            assertRefused({verb, path_, "user", "nobody"}, "user \"nobody\" is the agent's");
        }
        for (const char *verb : {RightsVerb::MODIFIED, RightsVerb::WATCH}) {
            CPPUNIT_ASSERT(look(verb, "/tmp", {"user", "nobody"}).empty());
        }
    }

    void testAnApplicationKeepsItsUserWhenItsLimitsChange() {
        configure(
            "server\nlimited tasks_max\ntasks_max 7\nruby /usr/bin/ruby\nfixed environment\nuser nobody\n"
            "app_root /srv/one\nserver\nuser daemon\napp_root /srv/two\n");
        CPPUNIT_ASSERT_EQUAL(std::size_t{1},
                             ask({RightsVerb::USER_OF, "app_root", "/srv/one", "user", "nobody"}).fields.size());
        if (::geteuid() == 0) {
            CPPUNIT_ASSERT(!look(RightsVerb::MODIFIED, "/", {"app_root", "/srv/one", "user", "nobody"}).empty());
        }
        CPPUNIT_ASSERT(look(RightsVerb::MODIFIED, "/", {"app_root", "/srv/other", "user", "daemon"}).empty());
        assertRefused({RightsVerb::APPEND, path_, "app_root", "/srv/other", "user", "daemon"},
                      "no place with the folder");
    }

    void testTheOwnerOfAFileThatIsNoStartupFileIsNoUser() {
        assertRefused({RightsVerb::APPEND, path_, "app_root", "/srv/any", "startup_file", "/home/a/.profile"},
                      "startup file \"/home/a/.profile\"");
    }

    void testWithOneUserNoOtherOneSeesFiles() {
        if (::geteuid() != 0) {
            return;
        }
        AgentSettings settings;
        settings.appFiles = path_;
        settings.user = "nobody";
        server_.configure(settings);
        const Frame answer = ask({RightsVerb::APPEND, path_, "user", "daemon"});
        CPPUNIT_ASSERT(answer.type == FrameType::RIGHTS_DONE);
        struct stat status {};
        CPPUNIT_ASSERT_EQUAL(0, ::fstat(answer.descriptors[0].get(), &status));
        CPPUNIT_ASSERT_EQUAL(NOBODY, status.st_uid);
        server_.usePool(NOBODY, 4712);
        assertRefused({RightsVerb::APPEND, path_}, "user \"nobody\" is the agent's");
    }

    void testALookHasAsManyFoldersAsItsNumberSays() {
        for (const char *count : {"2", "18446744073709551615"}) {
            assertRefused({RightsVerb::MODIFIED, "0", count, "/tmp"}, "fewer fields");
        }
        assertRefused({RightsVerb::MODIFIED, "0", "0", "2", "user", "nobody"}, "no folder");
    }

    void testOnlyFoldersOfTheRegistryAreRemoved() {
        const std::filesystem::path folder = path_ + ".registry";
        std::filesystem::create_directory(folder);
        const std::string inside = folder / "own";
        const std::string outside = folder / "other";
        AgentSettings settings;
        settings.instanceRegistryDir = inside;
        server_.configure(settings);
        const std::string own = ask({RightsVerb::MAKE_REGISTRY, "5"}).field(0);
        const RegistryFolder other = RegistryFolder::make(outside, 5, ::getpid(), ::getpid());
        const std::string link = folder / "link";
        std::filesystem::create_directory_symlink(inside, link);
        for (const std::string &path :
             {other.path, link + own.substr(inside.size()), inside + "/../own" + own.substr(inside.size())}) {
            assertRefused({RightsVerb::REMOVE_REGISTRY, path}, "no folder of an agent in PassengerInstanceRegistryDir");
        }
        CPPUNIT_ASSERT(other.stands());
        CPPUNIT_ASSERT(std::filesystem::exists(own));
        // The pool process leaves its folder after the rights process has the new settings.
        settings.instanceRegistryDir = outside;
        server_.configure(settings);
        CPPUNIT_ASSERT(ask({RightsVerb::REMOVE_REGISTRY, own}).type == FrameType::RIGHTS_DONE);
        CPPUNIT_ASSERT(!std::filesystem::exists(own));
        std::filesystem::remove_all(folder);
    }

    void testSeveralLooksAreCheckedOneByOne() {
        if (::geteuid() != 0) {
            return;
        }
        const Frame answer = ask({RightsVerb::MODIFIED, "0", "1", "/tmp", "2", "user", "daemon",  //
                                  "0", "1", "/nonexistent", "2", "user", "nobody"});
        CPPUNIT_ASSERT(answer.type == FrameType::RIGHTS_DONE);
        CPPUNIT_ASSERT(std::vector<std::string>({"0", "2", "", ""}) == answer.fields);
    }

    void testAUserThatTheApplicationDoesNotHaveGetsNoSpawnServer() {
        if (::geteuid() != 0) {
            return;
        }
        assertRefused({RightsVerb::START_SPAWN_SERVER, "daemon", "daemon", "app_root", "/tmp", "startup_file", "",
                       "ruby", "", "start_command", "", "app_type", "rack"},
                      "runs as user \"nobody\"");
        assertRefused({RightsVerb::START_SPAWN_SERVER, "root", "root", "app_root", "/", "startup_file", "", "ruby", ""},
                      "runs as user \"nobody\"");
    }

    void testAnApplicationOutsideTheConfigurationGetsNoUser() {
        const Frame answer = ask({RightsVerb::USER_OF, "app_root", "/tmp", "user", "daemon"});
        CPPUNIT_ASSERT(answer.type == FrameType::RIGHTS_DONE);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, answer.fields.size());
        CPPUNIT_ASSERT(answer.fields[0].find("httpd's configuration has no PassengerUser \"daemon\"") !=
                       std::string::npos);
    }

    void testNothingIsStartedAsTheAgentsUser() {
        if (::geteuid() != 0) {
            return;
        }
        const std::vector<std::string> question{
            RightsVerb::USER_OF, "app_root", "/tmp", "startup_file", "", "ruby", ""};
        CPPUNIT_ASSERT_EQUAL(std::string("nobody"), ask(question).field(0));
        server_.usePool(NOBODY, 4712);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, ask(question).fields.size());
        CPPUNIT_ASSERT(ask(question).field(0).find("user \"nobody\" is the agent's") != std::string::npos);
        // The default user is nobody, too.
        assertRefused({RightsVerb::START_PRE_START, "http://127.0.0.1/a"}, "user \"nobody\" is the agent's");
        assertRefused({RightsVerb::START_SPAWN_SERVER, "nobody", "nogroup"}, "user \"nobody\" is the agent's");
    }

    void testAUrlThatTheConfigurationDoesNotNameIsRefused() {
        assertRefused({RightsVerb::START_PRE_START, "http://127.0.0.1/b"}, "PassengerPreStart does not name");
    }

    void testTheCommandOfAnEventIsTheConfigurationsAndHasOnlyItsVariables() {
        const std::string verb = RightsVerb::START_EVENT_COMMAND;
        assertRefused({verb, "PASSENGER_EVENT=a.b"}, "PassengerOnEvent is not set");
        AgentSettings settings;
        settings.onEvent = "true";
        server_.configure(settings);
        for (const std::string variable : {"LD_PRELOAD=/tmp/x.so", "PASSENGER_X", " PASSENGER_X=y", ""}) {
            assertRefused({verb, "PASSENGER_EVENT=a.b", variable}, "gets no variable \"" + variable + "\"");
        }
        assertRefused({verb, std::string("PASSENGER_X=a\0b", 15)}, "gets no variable");
        // Without its descriptor.
        assertRefused({verb, "PASSENGER_EVENT=a.b"}, "");
        settings.defaultUser = "root";
        server_.configure(settings);
        assertRefused({verb, "PASSENGER_EVENT=a.b"}, "user \"root\" is root");
    }

private:
    /** The result of one look; empty: it is refused. */
    std::vector<std::string> look(const char *verb, const std::string &folder,
                                  const std::vector<std::string> &options) {
        Frame request = Frame::of(FrameType::RIGHTS_REQUEST, verb, 0, 1, folder, options.size(), options);
        request.descriptors.emplace_back(::inotify_init1(IN_CLOEXEC));
        const Frame answer = server_.answer(std::move(request));
        CPPUNIT_ASSERT(answer.type == FrameType::RIGHTS_DONE);
        std::size_t next = 0;
        return listIn(answer, next);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(RightsServerTest);

}  // namespace Passenger
