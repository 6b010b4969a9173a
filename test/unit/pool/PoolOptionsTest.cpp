// Pool: the options of an application change.

#include <cppunit/extensions/HelperMacros.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <future>
#include <string>

#include "support/Eventually.h"
#include "support/PoolContract.h"

namespace Passenger {

class PoolOptionsTest : public PoolContract {
    CPPUNIT_TEST_SUITE(PoolOptionsTest);
    CPPUNIT_TEST(testOptionsOfAnEarlierConfigurationReplaceNoneOfALaterOne);
    CPPUNIT_TEST(testAnotherRestartFolderIsFollowed);
    CPPUNIT_TEST(testTheLatestOptionsGiveTheUserOfRestartFiles);
    CPPUNIT_TEST(testAFailedVersionIsTriedAgainWithAnotherStartupFile);
    CPPUNIT_TEST(testPlacesWithDifferentStartupFilesBeginNoDeploymentAnew);
    CPPUNIT_TEST(testPlacesWithDifferentStartupFilesTryAFailedVersionOnceWithEach);
    CPPUNIT_TEST(testAServingVersionStaysWithAnotherStartupFile);
    CPPUNIT_TEST_SUITE_END();

    /** What the last spawn got. */
    Options spawned_;

    bool eventuallyVersion(std::uint64_t version) const {
        return eventually([&] { return group(inFolder()).version == version; });
    }

public:
    void setUp() override {
        PoolContract::setUp();
        factory_->beforeSpawn = [this](const Options &options) { spawned_ = options; };
        get(inFolder()).reset();
    }

    void testOptionsOfAnEarlierConfigurationReplaceNoneOfALaterOne() {
        Options later = inFolder();
        later.configuration = 2;
        later.ruby = "later";
        pool_->attach(later);
        Options earlier = inFolder();
        earlier.configuration = 1;
        earlier.ruby = "earlier";
        pool_->attach(earlier);
        restart();
        CPPUNIT_ASSERT(eventuallyVersion(2));
        CPPUNIT_ASSERT_EQUAL(std::string("later"), spawned_.ruby);
        later.ruby = "last";
        pool_->attach(later);
        restart();
        CPPUNIT_ASSERT(eventuallyVersion(3));
        CPPUNIT_ASSERT_EQUAL(std::string("last"), spawned_.ruby);
    }

    void testAnotherRestartFolderIsFollowed() {
        Options options = inFolder();
        options.restartDir = "shared";
        pool_->attach(options);
        pool_->checkRestarts();
        std::filesystem::create_directories(folder_->path() + "/shared");
        std::ofstream(folder_->path() + "/shared/restart.txt") << "";
        pool_->checkRestarts();
        CPPUNIT_ASSERT(eventuallyVersion(2));
    }

    /** A start asks for the user by the options before, which takes long. */
    void testTheLatestOptionsGiveTheUserOfRestartFiles() {
        endPool();
        std::promise<void> asked;
        std::promise<void> letGo;
        factory_->owner = [&](const Options &options) {
            if (options.user == "alice") {
                asked.set_value();
                letGo.get_future().wait();
            }
            RunAs owner;
            owner.user = options.user;
            return owner;
        };
        makePool(parts(), settings());
        Options options = inFolder();
        options.appGroupName = "shop";
        options.user = "alice";
        pool_->attach(options);
        asked.get_future().wait();
        options.user = "bob";
        pool_->attach(options);
        pool_->checkRestarts();
        letGo.set_value();
        CPPUNIT_ASSERT(eventually([&] { return factory_->spawned() > 1; }));
        const auto folders = pool_->restartFolders();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, folders.size());
        CPPUNIT_ASSERT_EQUAL(std::string("bob"), folders[0].user.user);
    }

    void testAFailedVersionIsTriedAgainWithAnotherStartupFile() {
        factory_->failuresToCome = 1;
        restart();
        CPPUNIT_ASSERT(eventuallyState(GroupState::DEPLOY_FAILED, inFolder()));
        pool_->attach(inFolder());
        CPPUNIT_ASSERT(group(inFolder()).state == nameOf(GroupState::DEPLOY_FAILED));
        Options options = inFolder();
        options.startupFile = "app.js";
        options.appType = "node";
        pool_->attach(options);
        CPPUNIT_ASSERT(eventuallyVersion(3));
        CPPUNIT_ASSERT_EQUAL(std::string("app.js"), spawned_.startupFile);
    }

    /** Two places that share the application ask by turns. */
    void askByTurns() {
        Options other = inFolder();
        other.startupFile = folder_->path() + "/config.ru";
        for (int i = 0; i < 5; i++) {
            pool_->attach(other);
            pool_->attach(inFolder());
        }
    }

    void testPlacesWithDifferentStartupFilesBeginNoDeploymentAnew() {
        factory_->hold();
        restart();
        factory_->waitUntilHeld(1);
        askByTurns();
        factory_->release();
        CPPUNIT_ASSERT(eventuallyVersion(2));
        CPPUNIT_ASSERT_EQUAL(2U, factory_->attempts());
    }

    void testPlacesWithDifferentStartupFilesTryAFailedVersionOnceWithEach() {
        factory_->failuresToCome = 2;
        restart();
        for (unsigned attempts = 2; attempts <= 3; attempts++) {
            CPPUNIT_ASSERT(
                eventually([&] { return factory_->attempts() == attempts && group(inFolder()).starting == 0; }));
            CPPUNIT_ASSERT(group(inFolder()).state == nameOf(GroupState::DEPLOY_FAILED));
            askByTurns();
        }
        CPPUNIT_ASSERT(group(inFolder()).state == nameOf(GroupState::DEPLOY_FAILED));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, group(inFolder()).counters.restarts);
    }

    void testAServingVersionStaysWithAnotherStartupFile() {
        Options options = inFolder();
        options.startupFile = "app.js";
        pool_->attach(options);
        CPPUNIT_ASSERT(group(inFolder()).state == nameOf(GroupState::SERVING));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, group(inFolder()).version);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolOptionsTest);

}  // namespace Passenger
