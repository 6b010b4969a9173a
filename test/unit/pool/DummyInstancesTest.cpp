#include "support/DummyInstances.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/socket.h>

#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/PidFd.h"
#include "io/RequestQueue.h"
#include "io/Serve.h"
#include "io/SocketPair.h"
#include "shm/Claims.h"
#include "shm/SenderMemory.h"
#include "shm/SenderMemoryView.h"
#include "support/LeakCheck.h"
#include "support/ManualClock.h"

namespace Passenger {

using namespace std::chrono_literals;

class DummyInstancesTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(DummyInstancesTest);
    CPPUNIT_TEST(testAnInstanceIsReadyBeforeItIsToldToServe);
    CPPUNIT_TEST(testATakenRequestIsClaimed);
    CPPUNIT_TEST(testAnAnswerFreesTheClaim);
    CPPUNIT_TEST(testAnInstanceTakesNoMoreThanItHasThreads);
    CPPUNIT_TEST(testInstancesTakeTurns);
    CPPUNIT_TEST(testAWithdrawnRequestIsSkipped);
    CPPUNIT_TEST(testARequestWithoutAChannelIsForgotten);
    CPPUNIT_TEST(testAPausedInstanceTakesNothing);
    CPPUNIT_TEST(testAnInstanceThatIsToldToFinishEndsWhenItIsIdle);
    CPPUNIT_TEST(testTheEndOfTheQueueEndsAnInstance);
    CPPUNIT_TEST(testTheLimitOfRequestsIsReported);
    CPPUNIT_TEST(testAnInstanceEndsWithItsControlSocket);
    CPPUNIT_TEST(testAThreadAnswersEachRequestAtOnce);
    CPPUNIT_TEST_SUITE_END();

    static constexpr std::uint64_t CHANNEL = 0x10001;

    ManualClock clock_;
    Claims claims_;
    SenderMemory senders_;
    std::unique_ptr<RequestQueue> queue_;
    std::unique_ptr<DummyInstances> instances_;
    std::vector<SpawnResult> made_;
    DescriptorPair channel_;
    std::uint64_t lastTicket_ = 0;
    std::vector<DummyInstance *> taken_;

    static FrameSocket::Deadline soon() { return FrameSocket::in(60s); }
    Frame told(std::size_t index) { return made_[index].control.receive(soon()); }
    void tell(std::size_t index, const Frame &frame) { made_[index].control.send(frame, soon()); }
    /** An instance that serves, and has the reply channel. */
    std::size_t serve(unsigned threads = 1, unsigned maxRequests = 0) {
        const std::size_t index = made_.size();
        made_.push_back(instances_->make());
        const Serve serve{.cell = index * 8, .threads = threads, .app = "an application", .maxRequests = maxRequests};
        const FileDescriptor marks = senders_.memory().readOnlyDescriptor();
        made_.back().control.send(
            serve.toFrame(), {queue_->receivingEnd().get(), claims_.memory().descriptor().get(), marks.get()}, soon());
        CPPUNIT_ASSERT(told(index).type == FrameType::READY);
        Frame channel(FrameType::CHANNEL);
        channel.add(CHANNEL);
        made_.back().control.send(channel, {channel_.second.get()}, soon());
        return index;
    }
    Ticket ask(std::uint64_t channel = CHANNEL) {
        RequestHeader header{};
        header.version = LAYOUT_VERSION;
        header.channel = channel;
        header.ticket = ++lastTicket_;
        header.sentAt = toNanoseconds(clock_.now());
        CPPUNIT_ASSERT(RequestQueue::send(queue_->sendingEnd().get(), header, "NAME", "") ==
                       RequestQueue::Outcome::QUEUED);
        return Ticket(lastTicket_);
    }
    bool step() {
        return instances_->step([this](DummyInstance &instance, unsigned) { taken_.push_back(&instance); });
    }
    std::optional<MessageHeader> answer(int flags = MSG_DONTWAIT) const {
        MessageHeader header{};
        if (::recv(channel_.first.get(), &header, sizeof(header), flags) != sizeof(header)) {
            return std::nullopt;
        }
        return header;
    }
    bool dead(std::size_t index) { return waitPidFd(made_[index].pidFd, 0ms); }

public:
    void setUp() override {
        LeakCheck::setUp();
        queue_ = std::make_unique<RequestQueue>();
        senders_.reset(ChannelId(CHANNEL));
        channel_ = makeSeqPacketPair();
        instances_ = std::make_unique<DummyInstances>(DummyInstances::Driven::BY_HAND, clock_);
    }
    void tearDown() override {
        made_.clear();
        instances_.reset();
        channel_ = {};
        queue_.reset();
        LeakCheck::tearDown();
    }

    void testAnInstanceIsReadyBeforeItIsToldToServe() {
        made_.push_back(instances_->make());
        CPPUNIT_ASSERT(told(0).type == FrameType::READY);
        CPPUNIT_ASSERT(!dead(0));
        CPPUNIT_ASSERT_EQUAL(pid_t{0}, made_[0].pid);
    }

    void testATakenRequestIsClaimed() {
        serve();
        const Ticket ticket = ask();
        CPPUNIT_ASSERT(step());
        CPPUNIT_ASSERT(claims_.holds(ChannelId(CHANNEL), ticket));
        CPPUNIT_ASSERT_EQUAL(std::string("NAME"), instances_->at(0).at(0)->environment);
        CPPUNIT_ASSERT(!answer());
        CPPUNIT_ASSERT_MESSAGE("Nothing is left to do", !step());
    }

    void testAnAnswerFreesTheClaim() {
        serve();
        const Ticket ticket = ask();
        clock_.advance(3ms);
        step();
        instances_->at(0).answer(0);
        const auto header = answer();
        CPPUNIT_ASSERT(header && header->type == MessageType::RESPONSE && header->flags == LAST);
        CPPUNIT_ASSERT_EQUAL(ticket.value(), header->ticket);
        CPPUNIT_ASSERT_EQUAL(3000U, header->queued);
        CPPUNIT_ASSERT_EQUAL(0U, claims_.taken());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, claims_.all()[0].answered);
        CPPUNIT_ASSERT_EQUAL(toNanoseconds(clock_.now()), claims_.all()[0].lastUsed);
    }

    void testAnInstanceTakesNoMoreThanItHasThreads() {
        serve(2);
        for (int i = 0; i < 3; i++) {
            ask();
        }
        step();
        CPPUNIT_ASSERT_EQUAL(2U, claims_.taken());
        instances_->at(0).answer(1);
        step();
        CPPUNIT_ASSERT_EQUAL(2U, claims_.taken());
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, taken_.size());
    }

    void testInstancesTakeTurns() {
        serve(2);
        serve(2);
        ask();
        ask();
        step();
        CPPUNIT_ASSERT(taken_.size() == 2 && taken_[0] != taken_[1]);
    }

    void testAWithdrawnRequestIsSkipped() {
        serve();
        const Ticket ticket = ask();
        SenderMemoryView(senders_.memory().descriptor()).withdraw(ChannelId(CHANNEL), ticket);
        step();
        const auto header = answer();
        CPPUNIT_ASSERT(header && header->type == MessageType::SKIPPED);
        CPPUNIT_ASSERT_EQUAL(0U, claims_.taken());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, claims_.all()[0].answered);
    }

    void testARequestWithoutAChannelIsForgotten() {
        serve();
        ask(CHANNEL + 1);
        const Ticket second = ask();
        Frame refusal(FrameType::NO_CHANNEL);
        refusal.add(CHANNEL + 1);
        tell(0, refusal);
        step();
        CPPUNIT_ASSERT(told(0).type == FrameType::FETCH);
        CPPUNIT_ASSERT(claims_.holds(ChannelId(CHANNEL), second));
    }

    void testAPausedInstanceTakesNothing() {
        serve();
        ask();
        step();
        tell(0, Frame(FrameType::PAUSE, {"1"}));
        ask();
        step();
        CPPUNIT_ASSERT_MESSAGE("It works yet", !made_[0].control.tryReceive());
        instances_->at(0).answer(0);
        CPPUNIT_ASSERT(told(0).type == FrameType::PAUSE);
        CPPUNIT_ASSERT(!step());
        tell(0, Frame(FrameType::PAUSE, {"0"}));
        CPPUNIT_ASSERT(step());
    }

    void testAnInstanceThatIsToldToFinishEndsWhenItIsIdle() {
        serve();
        ask();
        step();
        tell(0, Frame(FrameType::FINISH));
        ask();
        step();
        CPPUNIT_ASSERT(!dead(0));
        instances_->at(0).answer(0);
        CPPUNIT_ASSERT(step());
        CPPUNIT_ASSERT(dead(0));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, taken_.size());
    }

    void testTheEndOfTheQueueEndsAnInstance() {
        serve();
        ask();
        queue_->shutDown();
        step();
        CPPUNIT_ASSERT_MESSAGE("What was queued is answered", !dead(0) && taken_.size() == 1);
        instances_->at(0).answer(0);
        step();
        CPPUNIT_ASSERT(dead(0));
    }

    void testTheLimitOfRequestsIsReported() {
        serve(1, 2);
        for (int i = 0; i < 2; i++) {
            CPPUNIT_ASSERT(!made_[0].control.tryReceive());
            ask();
            step();
            instances_->at(0).answer(0);
        }
        CPPUNIT_ASSERT(told(0).type == FrameType::LIMIT_REACHED);
    }

    void testAnInstanceEndsWithItsControlSocket() {
        serve();
        ask();
        step();
        made_[0].control = FrameSocket();
        CPPUNIT_ASSERT(step());
        CPPUNIT_ASSERT(dead(0));
    }

    void testAThreadAnswersEachRequestAtOnce() {
        instances_ = std::make_unique<DummyInstances>();
        serve();
        for (int i = 0; i < 3; i++) {
            const Ticket ticket = ask();
            const auto header = answer(0);
            CPPUNIT_ASSERT(header && header->type == MessageType::RESPONSE);
            CPPUNIT_ASSERT_EQUAL(ticket.value(), header->ticket);
        }
        tell(0, Frame(FrameType::FINISH));
        CPPUNIT_ASSERT(waitPidFd(made_[0].pidFd, 60s));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(DummyInstancesTest);

}  // namespace Passenger
