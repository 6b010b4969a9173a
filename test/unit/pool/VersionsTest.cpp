#include "pool/Versions.h"

#include <cppunit/extensions/HelperMacros.h>

#include <memory>
#include <optional>

#include "support/GroupParts.h"

namespace Passenger {

class VersionsTest : public GroupParts {
    CPPUNIT_TEST_SUITE(VersionsTest);
    CPPUNIT_TEST(testADeploymentBecomesTheCurrentVersion);
    CPPUNIT_TEST(testAFailedDeploymentLeavesTheCurrentVersion);
    CPPUNIT_TEST(testALateDeploymentIsTriedOnceMore);
    CPPUNIT_TEST(testTheSpawnerOfAPastVersionIsCancelledAndEnded);
    CPPUNIT_TEST_SUITE_END();

    std::optional<Versions> versions_;

    SpawnerPointer spawner() { return factory_->create(options_); }
    static QueueGenerationPtr queue() {
        return std::make_shared<QueueGeneration>(QueueGeneration{Generation(2), RequestQueue(), std::nullopt});
    }
    static SpawnTask taskOf(std::uint64_t version) {
        SpawnTask task;
        task.version = version;
        return task;
    }

public:
    void setUp() override {
        GroupParts::setUp();
        versions_.emplace(app_, context_->threads, spawner());
    }
    void tearDown() override {
        versions_.reset();
        GroupParts::tearDown();
    }

    void testADeploymentBecomesTheCurrentVersion() {
        const QueueGenerationPtr queue = this->queue();
        versions_->deploy(spawner(), queue, MonotonicTime());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, versions_->current());
        CPPUNIT_ASSERT(versions_->deploys(taskOf(2)));
        CPPUNIT_ASSERT(!versions_->deploys(taskOf(1)));
        CPPUNIT_ASSERT(versions_->adopt() == queue);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, versions_->current());
        CPPUNIT_ASSERT(!versions_->deployment());
    }

    void testAFailedDeploymentLeavesTheCurrentVersion() {
        versions_->deploy(spawner(), queue(), MonotonicTime());
        versions_->fail(GetFailure{GetFailure::Reason::SPAWN_FAILED, "a syntax error"}, true,
                        "the old version keeps serving");
        CPPUNIT_ASSERT(log_->contains("event=deploy.failed app=\"blog\""));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, versions_->current());
        CPPUNIT_ASSERT_EQUAL(std::string("a syntax error"), versions_->failure()->summary);
        versions_->replace(spawner());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{3}, versions_->current());
        CPPUNIT_ASSERT(!versions_->failure());
    }

    void testALateDeploymentIsTriedOnceMore() {
        Report late;
        late.late = true;
        const GetFailure failure{GetFailure::Reason::SPAWN_FAILED, "late", std::make_shared<const Report>(late)};
        versions_->deploy(spawner(), queue(), MonotonicTime());
        versions_->setStarted(true);
        CPPUNIT_ASSERT(versions_->postpone(failure));
        CPPUNIT_ASSERT(!versions_->deployment()->started);
        CPPUNIT_ASSERT(!versions_->postpone(failure));
    }

    void testTheSpawnerOfAPastVersionIsCancelledAndEnded() {
        versions_->replace(spawner());
        context_->threads.join();
        CPPUNIT_ASSERT_EQUAL(1U, factory_->cancels());
        CPPUNIT_ASSERT_EQUAL(1U, factory_->alive());
        versions_->shutDown();
        context_->threads.join();
        CPPUNIT_ASSERT_EQUAL(2U, factory_->cancels());
        CPPUNIT_ASSERT_EQUAL(0U, factory_->alive());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(VersionsTest);

}  // namespace Passenger
