// Pool and Group: signs of life of instances.

#include <cppunit/extensions/HelperMacros.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstring>

#include "io/ReplyChannel.h"
#include "io/Serve.h"
#include "io/SocketPair.h"
#include "rights/OwnRights.h"
#include "shm/InFlightReader.h"
#include "shm/InFlightTable.h"
#include "support/Eventually.h"
#include "support/FakeInstances.h"
#include "support/PoolFixture.h"
#include "support/SpawningFixture.h"

namespace Passenger {

using namespace std::chrono_literals;

namespace {

/** As for processes that wait in the kernel for a file system. */
struct DeafRights final : OwnRights {
    bool signal(const FileDescriptor &, int number) override {
        kills += number == SIGKILL ? 1 : 0;
        return true;
    }
    std::atomic<int> kills{0};
};

}  // namespace

class PoolHeartbeatTest : public PoolFixture {
    CPPUNIT_TEST_SUITE(PoolHeartbeatTest);
    CPPUNIT_TEST(testAnInstanceIsToldTheIntervalOfItsHeartbeats);
    CPPUNIT_TEST(testNoHeartbeatIsRequestedByDefault);
    CPPUNIT_TEST(testAnInstanceWithoutHeartbeatsIsKilledAndReplaced);
    CPPUNIT_TEST(testAnInstanceIsNotKilledAsLongAsItSendsHeartbeats);
    CPPUNIT_TEST(testAHeartbeatThatWasNotRequestedHasNoEffect);
    CPPUNIT_TEST(testTheRequestOfASilentInstanceIsReportedLostWithStatus502);
    CPPUNIT_TEST(testTheHeartbeatTimeoutBeginsWhenTheInstanceServes);
    CPPUNIT_TEST(testAFinishingInstanceWithoutHeartbeatsIsKilled);
    CPPUNIT_TEST(testAFinishingInstanceIsKilledAfterItsTimeOnly);
    CPPUNIT_TEST(testAPauseOfTheAgentKillsNoInstance);
    CPPUNIT_TEST(testTheHeartbeatTimeoutBeginsAnewAfterAPauseOfTheAgent);
    CPPUNIT_TEST(testAShorterTimeoutDoesNotApplyToInstancesThatWereToldALongerOne);
    CPPUNIT_TEST(testASilentInstanceThatOutlivesItsSigkillIsReplacedAndKilledAgain);
    CPPUNIT_TEST_SUITE_END();

    static constexpr auto TIMEOUT = 3s;

    std::unique_ptr<ApplicationFolder> folder_;
    std::unique_ptr<FakeInstances> instances_;

    Options options(std::chrono::seconds timeout = TIMEOUT) const {
        Options options = app(folder_->path());
        options.spawnMethod = "smart";
        options.minInstances = 1;
        options.heartbeatTimeout = timeout;
        return options;
    }
    Serve serveFirst(const Options &options) {
        pool_->attach(options);
        CPPUNIT_ASSERT(eventuallyCount(1));
        const Frame frame = instances_->frame(0);
        CPPUNIT_ASSERT(frame.type == FrameType::SERVE);
        awaitHeard(0);
        return Serve::of(frame);
    }
    /** Until all that it has said was heard. It is watched some time after it has joined. */
    void awaitHeard(std::size_t index) {
        Frame unknown(FrameType::FETCH);
        unknown.add(std::uint64_t{4711});
        instances_->send(index, unknown);
        while (instances_->frame(index).type != FrameType::NO_CHANNEL) {
        }
    }
    void sign(std::size_t index) {
        instances_->send(index, Frame(FrameType::HEARTBEAT));
        awaitHeard(index);
    }
    void pass(std::chrono::milliseconds time) {
        constexpr auto STEP = 500ms;
        for (auto passed = 0ms; passed < time; passed += STEP) {
            clock_.advance(STEP);
            upkeep();
        }
    }
    bool lost() const { return log_->contains("event=instance.heartbeat_lost"); }

public:
    void setUp() override {
        PoolFixture::setUp();
        folder_ = std::make_unique<ApplicationFolder>("");
        instances_ = std::make_unique<FakeInstances>(*loop_, *factory_);
    }

    void tearDown() override {
        endPool();
        instances_.reset();
        folder_.reset();
        PoolFixture::tearDown();
    }

    void testAnInstanceIsToldTheIntervalOfItsHeartbeats() {
        CPPUNIT_ASSERT(1000ms == serveFirst(options()).heartbeatInterval);
    }

    void testNoHeartbeatIsRequestedByDefault() {
        CPPUNIT_ASSERT(0ms == serveFirst(options(Options().heartbeatTimeout)).heartbeatInterval);
        pass(50s);
        CPPUNIT_ASSERT(!lost());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, instances_->count());
    }

    void testAnInstanceWithoutHeartbeatsIsKilledAndReplaced() {
        serveFirst(options());
        pass(3s);
        CPPUNIT_ASSERT(!lost());
        pass(500ms);
        CPPUNIT_ASSERT(lost());
        CPPUNIT_ASSERT(eventually([&] { return instances_->count() == 2; }));
        CPPUNIT_ASSERT(eventuallyCount(1));
        CPPUNIT_ASSERT(eventually([&] { return pool_->inspect().groups.at(0).counters.died == 1; }));
    }

    void testASilentInstanceThatOutlivesItsSigkillIsReplacedAndKilledAgain() {
        DeafRights rights;
        serveFirst(options());
        Rights::use(&rights);
        pass(4s);
        const int kills = rights.kills;
        const bool replaced = eventually([this] { return instances_->count() == 2; });
        pass(5min);
        const int later = rights.kills;
        Rights::use(nullptr);
        CPPUNIT_ASSERT_EQUAL(1, kills);
        CPPUNIT_ASSERT(replaced && later > 1);
        instances_->kill(0);
    }

    void testAnInstanceIsNotKilledAsLongAsItSendsHeartbeats() {
        serveFirst(options());
        for (int i = 0; i < 20; i++) {
            pass(2s);
            sign(0);
        }
        CPPUNIT_ASSERT(!lost());
        pass(4s);
        CPPUNIT_ASSERT(lost());
    }

    void testAHeartbeatThatWasNotRequestedHasNoEffect() {
        serveFirst(options(0s));
        sign(0);
        pass(50s);
        CPPUNIT_ASSERT(!lost());
        CPPUNIT_ASSERT_EQUAL(1U, count());
    }

    void testTheRequestOfASilentInstanceIsReportedLostWithStatus502() {
        const Attachment attachment = pool_->attach(options());
        CPPUNIT_ASSERT(eventuallyCount(1));
        Frame serve = instances_->frame(0);
        awaitHeard(0);
        InFlightTable inFlightTable;
        const std::uint32_t sender =
            channels_->addSender(InFlightReader(inFlightTable.memory().descriptor().duplicate()));
        DescriptorPair pair = makeSeqPacketPair();
        const ChannelId channel =
            channels_->add(std::move(pair.second), sender, attachment.groupSlot, ChannelSecret::random());
        CPPUNIT_ASSERT(pool_->senders().channelAdded(channel, attachment.groupSlot));
        const ClaimCell cell{channel.value(), 9};
        const FileDescriptor claims = serve.takeDescriptor(1);
        CPPUNIT_ASSERT(::pwrite(claims.get(), &cell, sizeof(cell), ClaimsLayout::offset(0)) > 0);
        pass(4s);
        std::string text(MAX_MESSAGE, '\0');
        CPPUNIT_ASSERT(
            eventually([&] { return ::recv(pair.first.get(), text.data(), text.size(), MSG_DONTWAIT) > 0; }));
        MessageHeader told;
        std::memcpy(&told, text.data(), sizeof(told));
        CPPUNIT_ASSERT(told.type == MessageType::LOST);
        CPPUNIT_ASSERT_EQUAL(std::uint16_t{502}, told.status);
    }

    void testTheHeartbeatTimeoutBeginsWhenTheInstanceServes() {
        factory_->hold();
        pool_->attach(options());
        factory_->waitUntilHeld(1);
        pass(30s);
        factory_->release();
        CPPUNIT_ASSERT(eventuallyCount(1));
        pass(2500ms);
        CPPUNIT_ASSERT(!lost());
        pass(1s);
        CPPUNIT_ASSERT(lost());
    }

    void testAFinishingInstanceWithoutHeartbeatsIsKilled() {
        serveFirst(options());
        pool_->clear();
        pass(4s);
        CPPUNIT_ASSERT(lost());
        CPPUNIT_ASSERT(eventuallyCount(0));
    }

    void testAFinishingInstanceIsKilledAfterItsTimeOnly() {
        DeafRights rights;
        Options slow = options(0s);
        slow.stopTimeout = std::chrono::seconds(30);
        serveFirst(slow);
        Rights::use(&rights);
        pool_->clear();
        pass(90s + 30s);
        const int inTime = rights.kills;
        // The Pool looks each few seconds.
        pass(11s);
        const int later = rights.kills;
        Rights::use(nullptr);
        CPPUNIT_ASSERT_EQUAL(0, inTime);
        CPPUNIT_ASSERT_EQUAL(1, later);
        instances_->kill(0);
    }

    void testAPauseOfTheAgentKillsNoInstance() {
        serveFirst(options());
        pass(1s);
        clock_.advance(10s);
        upkeep();
        sign(0);
        pass(2500ms);
        CPPUNIT_ASSERT(!lost());
        // One that was hardly shorter than the time-out.
        sign(0);
        pass(1500ms);
        clock_.advance(3s);
        upkeep();
        CPPUNIT_ASSERT(!lost());
    }

    void testTheHeartbeatTimeoutBeginsAnewAfterAPauseOfTheAgent() {
        serveFirst(options());
        clock_.advance(1h);
        upkeep();
        pass(3500ms);
        CPPUNIT_ASSERT(lost());
    }

    void testAShorterTimeoutDoesNotApplyToInstancesThatWereToldALongerOne() {
        serveFirst(options(30s));
        Options shorter = options(3s);
        shorter.minInstances = 2;
        pool_->attach(shorter);
        CPPUNIT_ASSERT(eventuallyCount(2));
        awaitHeard(1);
        for (int i = 0; i < 3; i++) {
            pass(10s);
            sign(0);
            sign(1);
        }
        CPPUNIT_ASSERT(!lost());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolHeartbeatTest);

}  // namespace Passenger
