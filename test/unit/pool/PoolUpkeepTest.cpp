// Pool: idle instances, restarts, clear(), spawns that are under way meanwhile.

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <optional>
#include <string>

#include "base/Exceptions.h"
#include "rights/OwnRights.h"
#include "support/Eventually.h"
#include "support/PoolFixture.h"
#include "support/SpawningFixture.h"

namespace Passenger {

using namespace std::chrono_literals;

class PoolUpkeepTest : public PoolFixture {
    CPPUNIT_TEST_SUITE(PoolUpkeepTest);
    CPPUNIT_TEST(testInstancesThatWereNotNeededForTheIdleTimeEnd);
    CPPUNIT_TEST(testInstancesThatASteadyLoadDoesNotNeedEnd);
    CPPUNIT_TEST(testMinInstancesStay);
    CPPUNIT_TEST(testABusyInstanceIsNotIdle);
    CPPUNIT_TEST(testWithoutAnIdleTimeNoInstanceEnds);
    CPPUNIT_TEST(testAnIdleTimeCanBeChanged);
    CPPUNIT_TEST(testATouchedRestartFileRestartsTheApplication);
    CPPUNIT_TEST(testARestartFileThatBecameOlderRestartsTheApplication);
    CPPUNIT_TEST(testARestartFileThatAppearsRestartsTheApplication);
    CPPUNIT_TEST(testARestartFileThatExistedAtTheStartRestartsNothing);
    CPPUNIT_TEST(testARemovedRestartFileRestartsNothing);
    CPPUNIT_TEST(testAnAlwaysRestartFileRestartsAUsedApplication);
    CPPUNIT_TEST(testARestartStartsAsManyInstancesAsBefore);
    CPPUNIT_TEST(testABusyInstanceFinishesBeforeItEnds);
    CPPUNIT_TEST(testARestartConcernsItsOwnApplicationOnly);
    CPPUNIT_TEST(testALookThatFailsIsReportedAndLosesNoRestart);
    CPPUNIT_TEST(testARestartCancelsTheSpawnOfOldCode);
    CPPUNIT_TEST(testAnInstanceSpawnedFromOldCodeIsNotUsed);
    CPPUNIT_TEST(testARestartStartsMissingInstancesAtOnceAfterAFailedSpawn);
    CPPUNIT_TEST(testClearEndsIdleInstances);
    CPPUNIT_TEST(testClearLetsSessionsEnd);
    CPPUNIT_TEST(testAWaitingRequestIsServedAfterClear);
    CPPUNIT_TEST(testAnApplicationStartsWhileItsRestartFolderDoesNotAnswer);
    CPPUNIT_TEST(testTheUserOfAnApplicationThatHasNeverStartedIsNotSearched);
    CPPUNIT_TEST_SUITE_END();

    /** The rights of a process that looks at no file while it is silent. */
    class SilentRights final : public OwnRights {
    public:
        std::vector<std::optional<RestartTimes>> modified(const std::vector<FolderLook> &looks) override {
            if (silent) {
                return std::vector<std::optional<RestartTimes>>(looks.size());
            }
            return OwnRights::modified(looks);
        }
        std::atomic<bool> silent = false;
    };

    SilentRights rights_;
    std::unique_ptr<ApplicationFolder> folder_;

    Options inFolder() { return app(folder_->path()); }
    std::string restartFile() const { return folder_->path() + "/tmp/restart.txt"; }
    void touch(time_t time) {
        std::filesystem::create_directory(folder_->path() + "/tmp");
        std::ofstream(restartFile()).flush();
        const timespec times[2] = {{time, 0}, {time, 0}};
        CPPUNIT_ASSERT_EQUAL(0, ::utimensat(AT_FDCWD, restartFile().c_str(), times, 0));
    }
    /** Whether a look that somebody asks for has succeeded. */
    bool looked() {
        std::promise<bool> answer;
        pool_->askForRestart(inFolder().groupName(), [&answer](bool looked) { answer.set_value(looked); });
        return answer.get_future().get();
    }
    /** Whether a check now restarts the application, which has one instance. */
    bool restarts() {
        const unsigned before = factory_->created();
        pool_->checkRestarts();
        return factory_->created() > before;
    }

public:
    void setUp() override {
        PoolFixture::setUp();
        Rights::use(&rights_);
        folder_ = std::make_unique<ApplicationFolder>("");
    }
    void tearDown() override {
        folder_.reset();
        PoolFixture::tearDown();
        Rights::use(nullptr);
    }

    void testInstancesThatWereNotNeededForTheIdleTimeEnd() {
        warmUp(2);
        advance(55s, 5s);
        CPPUNIT_ASSERT_EQUAL(2U, count());
        // How often it is looked is an eighth of the idle time.
        advance(25s, 5s);
        CPPUNIT_ASSERT(eventuallyCount(0));
    }

    void testInstancesThatASteadyLoadDoesNotNeedEnd() {
        warmUp(3);
        // One request at a time all along.
        for (int i = 0; i < 30; i++) {
            get().reset();
            advance(5s, 5s);
        }
        CPPUNIT_ASSERT_EQUAL(1U, count());
    }

    void testMinInstancesStay() {
        Options options = app();
        options.minInstances = 2;
        warmUp(3, options);
        advance(600s, 10s);
        CPPUNIT_ASSERT(eventuallyCount(2));
    }

    void testABusyInstanceIsNotIdle() {
        const HeldPtr session = get();
        advance(600s, 10s);
        CPPUNIT_ASSERT_EQUAL(1U, count());
    }

    void testWithoutAnIdleTimeNoInstanceEnds() {
        PoolSettings settings;
        settings.idleTime = 0s;
        pool_->configure(settings);
        warmUp(2);
        advance(36000s, 600s);
        CPPUNIT_ASSERT_EQUAL(2U, count());
    }

    void testAnIdleTimeCanBeChanged() {
        warmUp(1);
        PoolSettings settings;
        settings.idleTime = 10s;
        pool_->configure(settings);
        advance(20s, 2s);
        CPPUNIT_ASSERT(eventuallyCount(0));
    }

    void testATouchedRestartFileRestartsTheApplication() {
        touch(1000);
        get(inFolder()).reset();
        touch(2000);
        CPPUNIT_ASSERT(restarts());
        CPPUNIT_ASSERT(eventually([this] { return factory_->spawned() == 2; }));
        CPPUNIT_ASSERT_MESSAGE("Once is enough", !restarts());
    }

    void testARestartFileThatBecameOlderRestartsTheApplication() {
        touch(2000);
        get(inFolder()).reset();
        touch(1000);
        CPPUNIT_ASSERT(restarts());
    }

    void testARestartFileThatAppearsRestartsTheApplication() {
        get(inFolder()).reset();
        touch(1000);
        CPPUNIT_ASSERT(restarts());
    }

    void testARestartFileThatExistedAtTheStartRestartsNothing() {
        touch(1000);
        get(inFolder()).reset();
        CPPUNIT_ASSERT(!restarts());
    }

    void testARemovedRestartFileRestartsNothing() {
        touch(1000);
        get(inFolder()).reset();
        std::filesystem::remove(restartFile());
        CPPUNIT_ASSERT(!restarts());
        touch(1000);
        CPPUNIT_ASSERT(!restarts());
    }

    void testAnAlwaysRestartFileRestartsAUsedApplication() {
        std::filesystem::create_directory(folder_->path() + "/tmp");
        std::ofstream(folder_->path() + "/tmp/always_restart.txt").flush();
        for (unsigned round = 1; round <= 2; round++) {
            clock_.advance(1s);
            get(inFolder()).reset();
            CPPUNIT_ASSERT(eventually([this] { return restarts(); }));
            CPPUNIT_ASSERT(eventually([&] { return factory_->spawned() == round + 1 && count() == 1; }));
            CPPUNIT_ASSERT(!restarts());
        }
    }

    void testARestartStartsAsManyInstancesAsBefore() {
        warmUp(3, inFolder());
        touch(1000);
        CPPUNIT_ASSERT(restarts());
        CPPUNIT_ASSERT(eventually([this] { return count() == 3 && factory_->spawned() == 6; }));
    }

    void testABusyInstanceFinishesBeforeItEnds() {
        HeldPtr session = get(inFolder());
        const DummyInstance *old = instanceOf(session);
        touch(1000);
        CPPUNIT_ASSERT(restarts());
        HeldPtr next = get(inFolder());
        CPPUNIT_ASSERT(instanceOf(next) != old);
        CPPUNIT_ASSERT_EQUAL(2U, count());
        session.reset();
        CPPUNIT_ASSERT(eventuallyCount(1));
    }

    void testARestartConcernsItsOwnApplicationOnly() {
        get(inFolder()).reset();
        get(app("/srv/shop")).reset();
        const DummyInstance *other = instanceOf(get(app("/srv/shop")));
        touch(1000);
        CPPUNIT_ASSERT(restarts());
        CPPUNIT_ASSERT_EQUAL(other, instanceOf(get(app("/srv/shop"))));
        CPPUNIT_ASSERT(eventually([this] { return factory_->alive() == 2; }));
    }

    void testAnApplicationStartsWhileItsRestartFolderDoesNotAnswer() {
        rights_.silent = true;
        pool_->attach(inFolder());
        CPPUNIT_ASSERT(eventuallyCount(1));
        CPPUNIT_ASSERT(!log_->contains("event=spawn.failed"));
        rights_.silent = false;
    }

    void testALookThatFailsIsReportedAndLosesNoRestart() {
        get(inFolder()).reset();
        CPPUNIT_ASSERT(pool_->checkRestarts());
        CPPUNIT_ASSERT(looked());
        touch(1000);
        rights_.silent = true;
        CPPUNIT_ASSERT(!pool_->checkRestarts());
        CPPUNIT_ASSERT(!looked());
        rights_.silent = false;
        CPPUNIT_ASSERT(restarts());
    }

    void testARestartCancelsTheSpawnOfOldCode() {
        factory_->hold();
        const AnswerPtr waiter = ask(inFolder());
        factory_->waitUntilHeld(1);
        touch(1000);
        CPPUNIT_ASSERT(restarts());
        CPPUNIT_ASSERT(eventually([this] { return factory_->attempts() == 2; }));
        CPPUNIT_ASSERT_MESSAGE("That its spawn was cancelled is nothing to a request", !waiter->here());
        factory_->release();
        CPPUNIT_ASSERT(waiter->session() != nullptr);
        CPPUNIT_ASSERT_EQUAL(1U, factory_->spawned());
    }

    void testAnInstanceSpawnedFromOldCodeIsNotUsed() {
        bool first = true;
        factory_->makeResult = [&](const Options &) {
            if (std::exchange(first, false)) {
                // The application has been loaded, and nobody has the instance yet.
                touch(1000);
                pool_->checkRestarts();
            }
            return factory_->instances().make();
        };
        const HeldPtr session = get(inFolder());
        // The old one may come later.
        CPPUNIT_ASSERT(eventually([this] { return factory_->spawned() == 2 && pool_->inspect().size == 1; }));
        CPPUNIT_ASSERT_EQUAL(1U, count());
    }

    void testARestartStartsMissingInstancesAtOnceAfterAFailedSpawn() {
        Options options = inFolder();
        options.minInstances = 2;
        // A start may go on after the test.
        const auto spawns = std::make_shared<std::atomic<unsigned>>(0);
        factory_->beforeSpawn = [spawns](const Options &) {
            if (++*spawns == 2) {
                throw SpawnException("the second one fails");
            }
        };
        get(options).reset();
        CPPUNIT_ASSERT(eventually([this] { return log_->contains("event=spawn.failed"); }));
        touch(1000);
        CPPUNIT_ASSERT(restarts());
        CPPUNIT_ASSERT(eventuallyCount(2));
    }

    void testClearEndsIdleInstances() {
        warmUp(3);
        pool_->clear();
        CPPUNIT_ASSERT(eventuallyCount(0));
        CPPUNIT_ASSERT(get() != nullptr);
        CPPUNIT_ASSERT_EQUAL(4U, factory_->spawned());
    }

    void testClearLetsSessionsEnd() {
        HeldPtr session = get();
        pool_->clear();
        CPPUNIT_ASSERT_EQUAL(1U, count());
        session.reset();
        CPPUNIT_ASSERT(eventuallyCount(0));
    }

    void testTheUserOfAnApplicationThatHasNeverStartedIsNotSearched() {
        std::atomic<unsigned> searches = 0;
        factory_->owner = [&](const Options &) {
            searches++;
            return RunAs();
        };
        setMax(1);
        HeldPtr session = get();
        CPPUNIT_ASSERT_EQUAL(1U, searches.load());
        const AnswerPtr waiter = ask(inFolder());
        CPPUNIT_ASSERT(pool_->checkRestarts());
        CPPUNIT_ASSERT_EQUAL(1U, searches.load());
        session.reset();
        pass(100ms);
        CPPUNIT_ASSERT(waiter->session() != nullptr);
        touch(1000);
        CPPUNIT_ASSERT(restarts());
    }

    void testAWaitingRequestIsServedAfterClear() {
        HeldPtr session = get();
        const AnswerPtr waiter = ask(app());
        pool_->clear();
        CPPUNIT_ASSERT(waiter->session() != nullptr);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolUpkeepTest);

}  // namespace Passenger
