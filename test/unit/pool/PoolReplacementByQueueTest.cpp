// Pool and Group: what instances that take requests from the queue are told when another instance
// replaces them.

#include <cppunit/extensions/HelperMacros.h>
#include <sys/socket.h>

#include "io/RequestQueue.h"
#include "io/Serve.h"
#include "shm/GenerationTableView.h"
#include "support/Eventually.h"
#include "support/FakeInstances.h"
#include "support/PoolContract.h"

namespace Passenger {

using namespace std::chrono_literals;

class PoolReplacementByQueueTest : public PoolContract {
    CPPUNIT_TEST_SUITE(PoolReplacementByQueueTest);
    CPPUNIT_TEST(testAnInstanceDueForReplacementFinishesWhenItsSuccessorServes);
    CPPUNIT_TEST(testASuccessorTakesFromTheSameQueue);
    CPPUNIT_TEST(testInstancesAreReplacedAfterClearEndedAReplacement);
    CPPUNIT_TEST(testMaxRequestsIsToldToTheInstance);
    CPPUNIT_TEST(testTheStandbyInstanceServesWhenTheOldInstanceIsGone);
    CPPUNIT_TEST(testTheStandbyInstanceServesWhenTheOldInstanceHasNoRequestAnyMore);
    CPPUNIT_TEST(testTheStandbyInstanceServesBeforeTheVersionOfARestart);
    CPPUNIT_TEST(testThePoolsEndEndsTheStandbyInstance);
    CPPUNIT_TEST(testAStandbyInstanceThatDiesIsReplaced);
    CPPUNIT_TEST(testADetachedInstanceIsToldToFinish);
    CPPUNIT_TEST(testAnInstanceThatDiesIsReplacedAndCounted);
    CPPUNIT_TEST(testWithoutRollingRestartsTheNewQueueIsPublishedBeforeItsFirstInstance);
    CPPUNIT_TEST(testAnInstanceNotNeededForTheIdleTimeIsToldToFinish);
    CPPUNIT_TEST_SUITE_END();

    std::unique_ptr<FakeInstances> instances_;

    Options pulling() const {
        Options options = inFolder();
        options.spawnMethod = "smart";
        options.minInstances = 1;
        return options;
    }
    Options alone() const {
        Options options = pulling();
        options.maxInstances = 1;
        return options;
    }
    Frame serveFrame(std::size_t index) {
        Frame frame = instances_->frame(index);
        CPPUNIT_ASSERT_MESSAGE("It is told to serve", frame.type == FrameType::SERVE);
        return frame;
    }
    bool toldToFinish(std::size_t index) { return instances_->frame(index).type == FrameType::FINISH; }
    static bool isPausedFrom(const Frame &serve) { return Serve::of(serve).paused; }
    bool toldToGoOn(std::size_t index) {
        const Frame frame = instances_->frame(index);
        return frame.type == FrameType::PAUSE && frame.number(0) == 0;
    }
    Attachment start(const Options &options) {
        Attachment attachment = pool_->attach(options);
        serveFrame(0);
        CPPUNIT_ASSERT(eventuallyServing(1, options));
        return attachment;
    }
    void makeDue(std::size_t index) { instances_->send(index, Frame(FrameType::LIMIT_REACHED)); }
    bool eventuallyReplaced(std::uint64_t count) const {
        return eventually([&] { return group(pulling()).counters.replaced == count; });
    }
    InstanceId idOf(std::size_t index) const { return instances(pulling()).at(index).id; }
    std::size_t count(Process::State state) const { return instancesThat(state, pulling()).size(); }
    bool eventuallyStandsBy() const {
        return eventually([this] { return count(Process::State::STANDBY) == 1; });
    }
    Generation published() const {
        return GenerationTableView(channels_->generations().memory().readOnlyDescriptor()).generation(0);
    }

public:
    void setUp() override {
        PoolContract::setUp();
        instances_ = std::make_unique<FakeInstances>(*loop_, *factory_);
    }
    void tearDown() override {
        factory_->release();
        endPool();
        instances_.reset();
        PoolContract::tearDown();
    }

    void testAnInstanceDueForReplacementFinishesWhenItsSuccessorServes() {
        start(pulling());
        factory_->hold();
        makeDue(0);
        factory_->waitUntilHeld(1);
        CPPUNIT_ASSERT(instances_->silent(0));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, count(Process::State::SERVING));
        factory_->release();
        CPPUNIT_ASSERT(toldToFinish(0));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, count(Process::State::SERVING));
        CPPUNIT_ASSERT_EQUAL(2U, size());
        instances_->kill(0);
        CPPUNIT_ASSERT(eventuallyCount(1));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, group(pulling()).counters.replaced);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, group(pulling()).counters.died);
    }

    void testASuccessorTakesFromTheSameQueue() {
        const Attachment attachment = start(pulling());
        makeDue(0);
        Frame serve = serveFrame(1);
        RequestQueue::send(attachment.sending.get(), RequestHeader{}, "", "");
        const FileDescriptor queue = serve.takeDescriptor(0);
        char bytes[100];
        CPPUNIT_ASSERT(::recv(queue.get(), bytes, sizeof(bytes), MSG_DONTWAIT) > 0);
        CPPUNIT_ASSERT(published() == attachment.generation);
        CPPUNIT_ASSERT_MESSAGE("It has cells of its own", Serve::of(serve).cell != 0);
    }

    void testInstancesAreReplacedAfterClearEndedAReplacement() {
        start(pulling());
        factory_->hold();
        makeDue(0);
        factory_->waitUntilHeld(1);
        pool_->clear();
        CPPUNIT_ASSERT(toldToFinish(0));
        instances_->kill(0);
        factory_->release();
        // It comes for nothing.
        CPPUNIT_ASSERT(eventually([this] { return instances_->count() == 2 && pool_->inspect().size == 0; }));
        pool_->attach(pulling());
        serveFrame(2);
        CPPUNIT_ASSERT(eventuallyServing(1, pulling()));
        makeDue(2);
        CPPUNIT_ASSERT(toldToFinish(2));
        CPPUNIT_ASSERT(eventuallyReplaced(1));
    }

    void testMaxRequestsIsToldToTheInstance() {
        Options options = pulling();
        options.maxRequests = 4711;
        pool_->attach(options);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{4711}, Serve::of(serveFrame(0)).maxRequests);
    }

    void testTheStandbyInstanceServesWhenTheOldInstanceIsGone() {
        start(alone());
        makeDue(0);
        CPPUNIT_ASSERT(toldToFinish(0));
        CPPUNIT_ASSERT(eventuallyStandsBy());
        CPPUNIT_ASSERT_MESSAGE("It takes no request before", isPausedFrom(serveFrame(1)));
        CPPUNIT_ASSERT(instances_->silent(1));
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, count(Process::State::SERVING));
        instances_->kill(0);
        CPPUNIT_ASSERT(toldToGoOn(1));
        CPPUNIT_ASSERT(eventuallyServing(1, alone()));
        CPPUNIT_ASSERT_EQUAL(1U, size());
        CPPUNIT_ASSERT_EQUAL(2U, factory_->attempts());
    }

    /** The old one's event streams go on. */
    void testTheStandbyInstanceServesWhenTheOldInstanceHasNoRequestAnyMore() {
        start(alone());
        makeDue(0);
        CPPUNIT_ASSERT(toldToFinish(0));
        CPPUNIT_ASSERT(eventuallyStandsBy());
        serveFrame(1);
        instances_->send(0, Frame(FrameType::PAUSE, {"0"}));
        loop_->runSync([] {});
        CPPUNIT_ASSERT(instances_->silent(1));
        instances_->send(0, Frame(FrameType::PAUSE, {"1"}));
        CPPUNIT_ASSERT(toldToGoOn(1));
        CPPUNIT_ASSERT(eventuallyServing(1, alone()));
        CPPUNIT_ASSERT_EQUAL(2U, size());
    }

    void testTheStandbyInstanceServesBeforeTheVersionOfARestart() {
        start(alone());
        makeDue(0);
        CPPUNIT_ASSERT(eventuallyStandsBy());
        serveFrame(1);
        restart();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, count(Process::State::STANDBY));
        CPPUNIT_ASSERT(toldToFinish(0));
        instances_->kill(0);
        CPPUNIT_ASSERT(toldToGoOn(1));
        CPPUNIT_ASSERT(isPausedFrom(serveFrame(2)));
        CPPUNIT_ASSERT(toldToFinish(1));
        instances_->kill(1);
        CPPUNIT_ASSERT(toldToGoOn(2));
        CPPUNIT_ASSERT(eventuallyServing(1, alone()));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, instances(alone()).at(0).version);
    }

    void testThePoolsEndEndsTheStandbyInstance() {
        start(alone());
        makeDue(0);
        CPPUNIT_ASSERT(eventuallyStandsBy());
        pool_->shutDown();
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, count(Process::State::STANDBY));
        endPool();
        CPPUNIT_ASSERT_EQUAL(0U, factory_->alive());
    }

    void testAStandbyInstanceThatDiesIsReplaced() {
        start(alone());
        makeDue(0);
        CPPUNIT_ASSERT(eventuallyStandsBy());
        instances_->kill(1);
        CPPUNIT_ASSERT(eventually([this] { return group(alone()).counters.died == 1; }));
        pass(1s);
        CPPUNIT_ASSERT(isPausedFrom(serveFrame(2)));
        CPPUNIT_ASSERT(eventuallyStandsBy());
        instances_->kill(0);
        CPPUNIT_ASSERT(toldToGoOn(2));
        CPPUNIT_ASSERT(eventuallyServing(1, alone()));
    }

    void testADetachedInstanceIsToldToFinish() {
        const Attachment attachment = start(pulling());
        CPPUNIT_ASSERT(pool_->detach(idOf(0)));
        CPPUNIT_ASSERT(toldToFinish(0));
        serveFrame(1);
        CPPUNIT_ASSERT(eventuallyServing(1, pulling()));
        CPPUNIT_ASSERT(published() == attachment.generation);
        CPPUNIT_ASSERT(!RequestQueue::closed(attachment.sending.get()));
    }

    void testAnInstanceThatDiesIsReplacedAndCounted() {
        start(pulling());
        instances_->kill(0);
        serveFrame(1);
        CPPUNIT_ASSERT(eventuallyServing(1, pulling()));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, group(pulling()).counters.died);
    }

    void testWithoutRollingRestartsTheNewQueueIsPublishedBeforeItsFirstInstance() {
        Options options = pulling();
        options.rollingRestarts = false;
        const Attachment old = start(options);
        factory_->hold();
        restart();
        CPPUNIT_ASSERT(published() != old.generation);
        CPPUNIT_ASSERT(RequestQueue::closed(old.sending.get()));
        CPPUNIT_ASSERT(toldToFinish(0));
        factory_->release();
        serveFrame(1);
        CPPUNIT_ASSERT(eventuallyServing(1, options));
    }

    void testAnInstanceNotNeededForTheIdleTimeIsToldToFinish() {
        Options options = pulling();
        options.minInstances = 0;
        const Attachment attachment = start(options);
        advance(80s, 5s);
        CPPUNIT_ASSERT(toldToFinish(0));
        CPPUNIT_ASSERT_MESSAGE("The application is down", RequestQueue::closed(attachment.sending.get()));
        CPPUNIT_ASSERT(!published());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolReplacementByQueueTest);

}  // namespace Passenger
