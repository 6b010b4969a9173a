#include "spawning/Spawner.h"

#include <cppunit/extensions/HelperMacros.h>

#include <fstream>
#include <functional>
#include <list>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/PidFd.h"
#include "support/Aborts.h"
#include "support/DummySpawnerFactory.h"
#include "support/Eventually.h"
#include "support/Expect.h"
#include "support/SpawningFixture.h"
#include "support/TestThread.h"

namespace Passenger {

using namespace std::chrono_literals;

/** What all Spawners promise. */
class SpawnerContractTest : public SpawningFixture {
    CPPUNIT_TEST_SUITE(SpawnerContractTest);
    CPPUNIT_TEST(testASpawnerStartsAnInstance);
    CPPUNIT_TEST(testEachSpawnStartsAnotherInstance);
    CPPUNIT_TEST(testInstancesOutliveTheirSpawner);
    CPPUNIT_TEST(testAnInstanceEndsWithItsControlSocket);
    CPPUNIT_TEST(testAFailureIsReported);
    CPPUNIT_TEST(testASpawnerCanSpawnAgainAfterAFailure);
    CPPUNIT_TEST(testASpawnUnderWayCanBeCancelled);
    CPPUNIT_TEST(testSeveralThreadsMaySpawnAtOnce);
    CPPUNIT_TEST(testAllSpawnsUnderWayAreCancelledAtOnce);
    CPPUNIT_TEST(testACancelledSpawnerSpawnsNoMore);
    CPPUNIT_TEST(testASpawnerThatNeverSpawnedCanBeDestroyed);
    CPPUNIT_TEST(testSpawningOnTheEventLoopIsLoggedAndAborts);
    CPPUNIT_TEST(testDestroyingASpawnerOnTheEventLoopIsLoggedAndAborts);
    CPPUNIT_TEST_SUITE_END_ABSTRACT();

protected:
    static constexpr unsigned SEVERAL = 4;

    virtual std::string method() const = 0;
    virtual std::string startCommand() const { return ""; }
    /** Words of the failure that failFromNowOn() makes. */
    virtual std::string failureSays() const { return "order"; }
    virtual void failFromNowOn() { folder_->setStartupFile("raise 'as ordered'\n"); }
    virtual void failNoMore() { folder_->setStartupFile(application()); }
    /** Spawns do not end by themselves. */
    virtual void hangFromNowOn() { folder_->setStartupFile("puts 'hanging'; sleep\n"); }
    virtual void waitUntilOneHangs() {
        CPPUNIT_ASSERT(eventually([&] { return log_->contains("hanging"); }));
    }

    Options options() const {
        Options options = SpawningFixture::options();
        options.spawnMethod = method();
        options.startCommand = startCommand();
        return options;
    }

    virtual SpawnerPtr makeWith(StandardSpawnerFactory &factory) { return factory.create(options()); }
    SpawnerPtr make() { return makeWith(*factory_); }

    void abortsOnTheLoop(const std::function<void(SpawnerPtr &)> &action) {
        // Threads would not be in the child process.
        factory_.reset();
        resources_.reset();
        manager_.reset();
        loop_.reset();
        CPPUNIT_ASSERT(aborts([&] {
            EventLoop loop;
            SpawnManager manager(loop, settings());
            AppResources resources(loop, manager);
            StandardSpawnerFactory factory(resources);
            SpawnerPtr spawner = makeWith(factory);
            loop.runSync([&] { action(spawner); });
        }));
    }

    static void joinAll(std::list<TestThread> &threads) {
        for (auto &thread : threads) {
            thread.join();
        }
    }

    static void endInstance(SpawnResult &instance) {
        instance.control = FrameSocket();
        CPPUNIT_ASSERT(waitPidFd(instance.pidFd, 60s));
    }

public:
    void testASpawnerStartsAnInstance() {
        const auto spawner = make();
        auto instance = spawner->spawn(options());
        CPPUNIT_ASSERT(instance.pidFd);
        CPPUNIT_ASSERT(instance.control);
        CPPUNIT_ASSERT_EQUAL_MESSAGE("A dummy prints nothing", instance.pid != 0, instance.output != nullptr);
        CPPUNIT_ASSERT(!waitPidFd(instance.pidFd, 0ms));
        CPPUNIT_ASSERT(!instance.control.tryReceive().has_value());
        endInstance(instance);
    }

    void testEachSpawnStartsAnotherInstance() {
        const auto spawner = make();
        std::set<pid_t> pids;
        std::vector<SpawnResult> instances;
        for (int i = 0; i < 3; ++i) {
            instances.push_back(spawner->spawn(options()));
            pids.insert(instances.back().pid);
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t(instances.front().pid != 0 ? 3 : 1), pids.size());
        for (auto &instance : instances) {
            endInstance(instance);
        }
    }

    void testInstancesOutliveTheirSpawner() {
        auto spawner = make();
        auto instance = spawner->spawn(options());
        spawner.reset();
        CPPUNIT_ASSERT(!waitPidFd(instance.pidFd, 0ms));
        endInstance(instance);
    }

    void testAnInstanceEndsWithItsControlSocket() {
        const auto spawner = make();
        auto first = spawner->spawn(options());
        auto second = spawner->spawn(options());
        endInstance(first);
        CPPUNIT_ASSERT(!waitPidFd(second.pidFd, 0ms));
        endInstance(second);
    }

    void testAFailureIsReported() {
        failFromNowOn();
        const auto spawner = make();
        const auto e = thrownBy<SpawnException>([&] { spawner->spawn(options()); });
        CPPUNIT_ASSERT_MESSAGE(e.what(), std::string(e.what()).find(failureSays()) != std::string::npos);
        CPPUNIT_ASSERT_EQUAL(std::string::npos, std::string(e.what()).find('\n'));
        CPPUNIT_ASSERT(!e.report().empty());
    }

    void testASpawnerCanSpawnAgainAfterAFailure() {
        failFromNowOn();
        const auto spawner = make();
        thrownBy<SpawnException>([&] { spawner->spawn(options()); });
        failNoMore();
        auto instance = spawner->spawn(options());
        endInstance(instance);
    }

    void testASpawnUnderWayCanBeCancelled() {
        hangFromNowOn();
        const auto spawner = make();
        TestThread canceller([&] {
            waitUntilOneHangs();
            // Promised not to block, so the event loop may do it.
            loop_->runSync([&] { spawner->cancel(); });
        });
        const auto e = thrownBy<SpawnException>([&] { spawner->spawn(options()); });
        canceller.join();
        CPPUNIT_ASSERT_EQUAL(std::string("the start was cancelled"), std::string(e.what()));
    }

    void testSeveralThreadsMaySpawnAtOnce() {
        const auto spawner = make();
        std::vector<SpawnResult> instances(SEVERAL);
        std::list<TestThread> threads;
        for (auto &instance : instances) {
            threads.emplace_back([&] { instance = spawner->spawn(options()); });
        }
        joinAll(threads);
        std::set<pid_t> pids;
        for (auto &instance : instances) {
            pids.insert(instance.pid);
            endInstance(instance);
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t(instances.front().pid != 0 ? SEVERAL : 1), pids.size());
    }

    void testAllSpawnsUnderWayAreCancelledAtOnce() {
        hangFromNowOn();
        const auto spawner = make();
        std::vector<std::string> failures(SEVERAL);
        std::list<TestThread> threads;
        for (auto &failure : failures) {
            threads.emplace_back(
                [&] { failure = thrownBy<SpawnException>([&] { spawner->spawn(options()); }).what(); });
        }
        waitUntilOneHangs();
        spawner->cancel();
        joinAll(threads);
        CPPUNIT_ASSERT(std::vector<std::string>(SEVERAL, "the start was cancelled") == failures);
    }

    void testACancelledSpawnerSpawnsNoMore() {
        const auto spawner = make();
        spawner->cancel();
        thrownBy<SpawnException>([&] { spawner->spawn(options()); });
    }

    void testASpawnerThatNeverSpawnedCanBeDestroyed() { make(); }

    void testSpawningOnTheEventLoopIsLoggedAndAborts() {
        abortsOnTheLoop([this](SpawnerPtr &spawner) { spawner->spawn(options()); });
        CPPUNIT_ASSERT(
            log_->contains("event=pool.misuse error=\"a Spawner was told to spawn on the thread of an event loop"));
    }

    void testDestroyingASpawnerOnTheEventLoopIsLoggedAndAborts() {
        abortsOnTheLoop([](SpawnerPtr &spawner) { spawner.reset(); });
        CPPUNIT_ASSERT(
            log_->contains("event=pool.misuse error=\"a Spawner was destroyed on the thread of an event loop"));
    }
};

class SmartSpawnerContractTest : public SpawnerContractTest {
    CPPUNIT_TEST_SUB_SUITE(SmartSpawnerContractTest, SpawnerContractTest);
    CPPUNIT_TEST_SUITE_END();

    std::string method() const override { return "smart"; }
};

class DirectSpawnerContractTest : public SpawnerContractTest {
    CPPUNIT_TEST_SUB_SUITE(DirectSpawnerContractTest, SpawnerContractTest);
    CPPUNIT_TEST_SUITE_END();

    std::string method() const override { return "direct"; }
};

/** The other half of direct spawning: a command that serves HTTP. */
class CommandSpawnerContractTest : public SpawnerContractTest {
    CPPUNIT_TEST_SUB_SUITE(CommandSpawnerContractTest, SpawnerContractTest);
    CPPUNIT_TEST_SUITE_END();

    std::string method() const override { return "direct"; }
    std::string startCommand() const override { return "exec " + settings().rubyCommand + " server.rb"; }
    std::string failureSays() const override { return "exited with status 3 before it listened"; }
    void setProgram(const std::string &text) { std::ofstream(folder_->path() + "/server.rb") << text; }
    void failFromNowOn() override { setProgram("exit 3\n"); }
    void failNoMore() override {
        setProgram("require 'socket'\nSERVER = TCPServer.new('127.0.0.1', ENV['PORT'].to_i)\nSERVER.accept\nsleep\n");
    }
    void hangFromNowOn() override { setProgram("$stdout.sync = true\nputs 'hanging'\nsleep\n"); }

public:
    void setUp() override {
        SpawnerContractTest::setUp();
        failNoMore();
    }
};

class DummySpawnerContractTest : public SpawnerContractTest {
    CPPUNIT_TEST_SUB_SUITE(DummySpawnerContractTest, SpawnerContractTest);
    CPPUNIT_TEST(testHeldSpawnsAreCountedAndLetThroughOneByOne);
    CPPUNIT_TEST(testACancelledSpawnUsesNoPass);
    CPPUNIT_TEST_SUITE_END();

    std::string method() const override { return "dummy"; }
    void failFromNowOn() override { dummies_->failuresToCome = 1; }
    void failNoMore() override {}
    void hangFromNowOn() override { dummies_->hold(); }
    void waitUntilOneHangs() override { dummies_->waitUntilHeld(1); }
    SpawnerPtr makeWith(StandardSpawnerFactory & /*factory*/) override { return dummies_->create(options()); }

public:
    void setUp() override {
        SpawnerContractTest::setUp();
        dummies_.emplace();
    }
    void tearDown() override {
        dummies_.reset();
        SpawnerContractTest::tearDown();
    }

    void testHeldSpawnsAreCountedAndLetThroughOneByOne() {
        auto &dummies = *dummies_;
        dummies.hold();
        const auto spawner = make();
        std::list<TestThread> threads;
        for (unsigned i = 0; i < SEVERAL; ++i) {
            threads.emplace_back([&] { spawner->spawn(options()); });
        }
        dummies.waitUntilHeld(SEVERAL);
        CPPUNIT_ASSERT_EQUAL(SEVERAL, dummies.held());
        dummies.letThrough(SEVERAL - 1);
        CPPUNIT_ASSERT_EQUAL(1U, dummies.held());
        CPPUNIT_ASSERT(eventually([&] { return dummies.spawned() == SEVERAL - 1; }));
        CPPUNIT_ASSERT_EQUAL(1U, dummies.held());
        dummies.release();
        CPPUNIT_ASSERT_EQUAL(0U, dummies.held());
        joinAll(threads);
        CPPUNIT_ASSERT_EQUAL(SEVERAL, dummies.spawned());
    }

    void testACancelledSpawnUsesNoPass() {
        auto &dummies = *dummies_;
        dummies.hold();
        const auto cancelled = make();
        cancelled->cancel();
        dummies.letThrough();
        thrownBy<SpawnException>([&] { cancelled->spawn(options()); });
        make()->spawn(options());
        CPPUNIT_ASSERT_EQUAL(1U, dummies.spawned());
    }

private:
    std::optional<DummySpawnerFactory> dummies_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(SmartSpawnerContractTest);
CPPUNIT_TEST_SUITE_REGISTRATION(DirectSpawnerContractTest);
CPPUNIT_TEST_SUITE_REGISTRATION(CommandSpawnerContractTest);
CPPUNIT_TEST_SUITE_REGISTRATION(DummySpawnerContractTest);

}  // namespace Passenger
