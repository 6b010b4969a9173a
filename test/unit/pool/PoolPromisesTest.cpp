// Pool: what PoolModelTest has found, each in as few steps as it takes.

#include <cppunit/extensions/HelperMacros.h>

#include <chrono>
#include <memory>
#include <vector>

#include <fmt/format.h>

#include "log/Log.h"
#include "support/LeakCheck.h"
#include "support/PoolModel.h"

namespace Passenger {

using namespace std::chrono_literals;

class PoolPromisesTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(PoolPromisesTest);
    CPPUNIT_TEST(testARequestIsServedThoughAnOlderOneWaitsForACertainInstance);
    CPPUNIT_TEST(testARestartDuringAReplacementDoesNotExceedTheLimitByTwo);
    CPPUNIT_TEST(testAReplacementWhoseOldInstanceIsGoneDoesNotExceedTheLimit);
    CPPUNIT_TEST(testNoSuccessorStartsWhileADetachedInstanceAlreadyExceedsTheLimit);
    CPPUNIT_TEST(testNoInstanceStaysOnStandbyWhereTheLimitWasLowered);
    CPPUNIT_TEST_SUITE_END();

    LogLevel level_ = Log::level();
    std::unique_ptr<PoolWorld> world_;
    std::unique_ptr<PoolModel> model_;

    static std::vector<Options> makeApps() {
        std::vector<Options> apps(3);
        for (std::size_t app = 0; app < apps.size(); app++) {
            apps[app].appRoot = apps[app].appGroupName = fmt::format("/srv/app{}", app);
            apps[app].stickySessions = true;
            apps[app].minInstances = 0;
        }
        return apps;
    }
    void setMax(unsigned max) {
        world_->pool().setMax(max);
        model_->check();
    }
    void ask(std::size_t app, std::uint32_t stickyId = 0) {
        model_->ask(app, stickyId);
        model_->check();
    }
    void release(std::size_t session) {
        model_->release(session);
        model_->check();
    }
    /** The application's oldest boot succeeds. */
    void boot(std::size_t app) {
        for (const SteeredSpawners::Boot &boot : world_->spawners().boots()) {
            if (world_->appOf(boot.appRoot) == app) {
                model_->finish(boot, true);
                model_->check();
                return;
            }
        }
        CPPUNIT_FAIL("The application does not boot");
    }
    void pass(std::chrono::nanoseconds time) {
        world_->pass(time);
        model_->check();
    }
    void restart(std::size_t app) {
        CPPUNIT_ASSERT(world_->pool().restart(world_->options(app).groupName()));
        model_->check();
    }
    std::size_t boots() { return world_->spawners().boots().size(); }
    void end() {
        model_->calmDown();
        model_->end();
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        Log::setLevel(LogLevel::CRIT);
        PoolSettings settings;
        settings.maxSize = 3;
        world_ = std::make_unique<PoolWorld>(makeApps(), settings);
        model_ = std::make_unique<PoolModel>(*world_);
    }
    void tearDown() override {
        model_.reset();
        world_.reset();
        Log::setLevel(level_);
        LeakCheck::tearDown();
    }

    void twoInstances() {
        ask(0);
        ask(0);
        boot(0);
        boot(0);
    }

    void testARequestIsServedThoughAnOlderOneWaitsForACertainInstance() {
        twoInstances();
        ask(0, world_->spawners().stickyIdOf(model_->instances()[0].id));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, model_->waiters().size());
        const InstanceId wanted = model_->instances()[0].id;
        release(model_->sessions()[0]->instance == wanted ? 1 : 0);
        ask(0);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, model_->sessions().size());
        end();
    }

    void testARestartDuringAReplacementDoesNotExceedTheLimitByTwo() {
        setMax(1);
        world_->options(0).maxRequests = 1;
        world_->options(0).threads = 2;
        ask(0);
        ask(0);
        boot(0);
        release(0);
        // The successor comes, the instance due for replacement has a request still.
        boot(0);
        CPPUNIT_ASSERT_EQUAL(2U, model_->snapshot().size);
        restart(0);
        CPPUNIT_ASSERT_EQUAL(2U, model_->snapshot().size);
        release(0);
        CPPUNIT_ASSERT_EQUAL_MESSAGE("Now it may come", std::size_t{1}, boots());
        end();
    }

    void testAReplacementWhoseOldInstanceIsGoneDoesNotExceedTheLimit() {
        setMax(1);
        world_->options(0).maxRequests = 1;
        ask(0);
        boot(0);
        release(0);
        CPPUNIT_ASSERT_EQUAL_MESSAGE("A successor for the one due for replacement", 2U, model_->snapshot().size);
        CPPUNIT_ASSERT(model_->kill(model_->instances()[0].id));
        model_->check();
        ask(0);
        ask(0);
        pass(1s);
        CPPUNIT_ASSERT_EQUAL(1U, model_->snapshot().size);
        end();
    }

    void testNoSuccessorStartsWhileADetachedInstanceAlreadyExceedsTheLimit() {
        setMax(1);
        world_->options(0).maxRequests = 1;
        world_->options(0).threads = 2;
        ask(0);
        ask(0);
        boot(0);
        release(0);
        world_->pool().detach(model_->instances()[0].id);
        model_->check();
        boot(0);
        // The detached one has a request still, and the other one is due for replacement.
        ask(0);
        release(1);
        CPPUNIT_ASSERT_EQUAL(2U, model_->snapshot().size);
        end();
    }

    void testNoInstanceStaysOnStandbyWhereTheLimitWasLowered() {
        world_->options(0).minInstances = 2;
        world_->options(0).maxRequests = 1;
        ask(0);
        PoolSettings settings;
        settings.maxSize = 3;
        settings.maxInstancesPerApp = 1;
        world_->pool().configure(settings);
        end();
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolPromisesTest);

}  // namespace Passenger
