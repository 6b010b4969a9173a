#include "pool/Handshake.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/Exceptions.h"
#include "io/SocketPair.h"
#include "spawning/Preloader.h"
#include "support/GroupParts.h"

namespace Passenger {

class HandshakeTest : public GroupParts {
    CPPUNIT_TEST_SUITE(HandshakeTest);
    CPPUNIT_TEST(testAnInstanceServesWhenItSaysReady);
    CPPUNIT_TEST(testTheQueueThatItReadsFirstGoesWithItsStickyId);
    CPPUNIT_TEST(testAForkIsToldWhenItIsWarm);
    CPPUNIT_TEST(testAFailureNamesItsStep);
    CPPUNIT_TEST(testAFrameThatIsNoAnswerIsAFailure);
    CPPUNIT_TEST(testTheEndOfTheInstanceIsAFailure);
    CPPUNIT_TEST(testAnInstanceHasNoMoreTimeThanAStart);
    CPPUNIT_TEST(testTheWaitCanBeCancelled);
    CPPUNIT_TEST(testAnInstanceThatFailsAtItsWarmUpGetsNoQueue);
    CPPUNIT_TEST(testTheStepsOfTheSpawnGoOn);
    CPPUNIT_TEST(testAnAdoptedInstanceIsNotWarmedUp);
    CPPUNIT_TEST(testAnAdoptedInstanceFailsOnlyIfItWasTold);
    CPPUNIT_TEST_SUITE_END();

    static constexpr std::uint32_t STICKY_ID = 77;

    SpawnResult parts_;
    /** The instance's side. */
    FrameSocket there_;
    QueueHandover handover_;
    std::optional<CancelSwitch> cancel_;

    static FrameSocket::Deadline later() { return FrameSocket::in(std::chrono::seconds(60)); }
    void answer(const Frame &frame) { there_.send(frame, later()); }
    std::optional<SpawnReport> run(bool adopted = false, const RequestQueue *readFirst = nullptr) {
        InstanceLink link(parts_);
        return Handshake(link, parts_, {app_, options_, handover_, readFirst, STICKY_ID, adopted}).run(*cancel_);
    }
    /** The fields of the SERVE that has come. */
    static std::string text(const Frame &frame) {
        CPPUNIT_ASSERT(frame.type == FrameType::SERVE);
        return fmt::format("{}", fmt::join(frame.fields, " "));
    }
    static ino_t inodeOf(const FileDescriptor &descriptor) {
        struct stat status {};
        CPPUNIT_ASSERT_EQUAL(0, ::fstat(descriptor.get(), &status));
        return status.st_ino;
    }

public:
    void setUp() override {
        GroupParts::setUp();
        DescriptorPair pair = makeStreamPair();
        parts_.pid = 4711;
        parts_.control = FrameSocket(std::move(pair.first));
        there_ = FrameSocket(std::move(pair.second));
        makeQueue();
        CPPUNIT_ASSERT_EQUAL(0U, queue_->cells().allocate(1).value().first);
        handover_ = queue_->handOver(queue_->current(), 2, 2);
        cancel_.emplace();
    }
    void tearDown() override {
        cancel_.reset();
        handover_ = {};
        there_ = {};
        parts_ = {};
        GroupParts::tearDown();
    }

    void testAnInstanceServesWhenItSaysReady() {
        options_.maxRequests = 5;
        options_.reforkAfter = 9;
        options_.heartbeatTimeout = std::chrono::seconds(3);
        handover_.paused = true;
        answer(Frame(FrameType::HEARTBEAT));
        answer(Frame(FrameType::READY));
        CPPUNIT_ASSERT(!run());
        const Frame serve = there_.receive(later());
        CPPUNIT_ASSERT_EQUAL(std::string("1 2 blog 5 0 0 1000 1 0"), text(serve));
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, serve.descriptors.size());
        CPPUNIT_ASSERT_EQUAL(inodeOf(handover_.queue->queue.receivingEnd()), inodeOf(serve.descriptors[0]));
        CPPUNIT_ASSERT_EQUAL(inodeOf(handover_.claims), inodeOf(serve.descriptors[1]));
        CPPUNIT_ASSERT_EQUAL(inodeOf(handover_.senders), inodeOf(serve.descriptors[2]));
    }

    void testTheQueueThatItReadsFirstGoesWithItsStickyId() {
        const RequestQueue own = makeRequestQueue();
        answer(Frame(FrameType::READY));
        CPPUNIT_ASSERT(!run(false, &own));
        const Frame serve = there_.receive(later());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{STICKY_ID}, serve.number(4));
        CPPUNIT_ASSERT_EQUAL(inodeOf(own.receivingEnd()), inodeOf(serve.descriptors.at(3)));
    }

    void testAForkIsToldWhenItIsWarm() {
        parts_.origin = std::make_shared<const Origin>();
        options_.reforkAfter = 9;
        answer(Frame(FrameType::READY));
        CPPUNIT_ASSERT(!run());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{9}, there_.receive(later()).number(5));
    }

    void testAFailureNamesItsStep() {
        answer(Frame(FrameType::FAILED, {"hook", "KeyError", "no cache", "app.rb:1"}));
        const SpawnReport report = run().value();
        CPPUNIT_ASSERT_EQUAL(std::string("the step \"hook\" failed with KeyError: no cache"), report.summary);
        CPPUNIT_ASSERT_EQUAL(std::string("hook"), report.steps.current());
        CPPUNIT_ASSERT_EQUAL(std::string("app.rb:1"), report.backtrace);
        CPPUNIT_ASSERT(!report.timedOut);
    }

    void testAFrameThatIsNoAnswerIsAFailure() {
        answer(Frame(FrameType::LOADED));
        const SpawnReport report = run().value();
        CPPUNIT_ASSERT_EQUAL(std::string("instance 4711 did not begin to serve: it sent a frame that is no answer"),
                             report.summary);
        CPPUNIT_ASSERT_EQUAL(std::string("handshake"), report.steps.current());
    }

    void testTheEndOfTheInstanceIsAFailure() {
        there_ = {};
        CPPUNIT_ASSERT_EQUAL(std::string("instance 4711 did not begin to serve: it ended"), run().value().summary);
    }

    void testAnInstanceHasNoMoreTimeThanAStart() {
        options_.startTimeout = std::chrono::seconds(0);
        CPPUNIT_ASSERT(run().value().timedOut);
    }

    void testTheWaitCanBeCancelled() {
        cancel_->cancel();
        const SpawnReport report = run().value();
        CPPUNIT_ASSERT(!report.timedOut);
        CPPUNIT_ASSERT_EQUAL(std::string("instance 4711 did not begin to serve: it ended"), report.summary);
    }

    void testAnInstanceThatFailsAtItsWarmUpGetsNoQueue() {
        options_.warmUp = "/a";
        answer(Frame(FrameType::FAILED, {"warm-up", "Error", "no cache", ""}));
        CPPUNIT_ASSERT_EQUAL(std::string("warm-up"), run().value().steps.current());
        const Frame serve = there_.receive(later());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, serve.number(8));
        CPPUNIT_ASSERT(inodeOf(handover_.queue->queue.receivingEnd()) != inodeOf(serve.descriptors[0]));
        CPPUNIT_ASSERT(!there_.tryReceive());
    }

    void testTheStepsOfTheSpawnGoOn() {
        parts_.report = std::make_shared<SpawnReport>();
        parts_.report->process.environment = {{"STAGE", "one"}};
        there_ = {};
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, run().value().process.environment.size());
        CPPUNIT_ASSERT_MESSAGE("Nobody needs it any more", !parts_.report);
    }

    void testAnAdoptedInstanceIsNotWarmedUp() {
        options_.warmUp = "/a";
        answer(Frame::of(FrameType::FETCH, 7));
        answer(Frame(FrameType::READY));
        CPPUNIT_ASSERT(!run(true));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, there_.receive(later()).number(8));
        CPPUNIT_ASSERT_MESSAGE("It has asked the earlier pool process",
                               there_.receive(later()).type == FrameType::NO_CHANNEL);
    }

    void testAnAdoptedInstanceFailsOnlyIfItWasTold() {
        answer(Frame(FrameType::LOADED));
        CPPUNIT_ASSERT(run(true));
        there_ = {};
        CPPUNIT_ASSERT_THROW(run(true), SystemException);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(HandshakeTest);

}  // namespace Passenger
