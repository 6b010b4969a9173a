#include "pool/InstanceLink.h"

#include <cppunit/extensions/HelperMacros.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/Exceptions.h"
#include "io/SocketPair.h"
#include "loop/DescriptorWatcher.h"
#include "loop/EventLoop.h"
#include "rights/OwnRights.h"
#include "support/CapturedLog.h"
#include "support/DummySpawnerFactory.h"
#include "support/Eventually.h"
#include "support/FakeInstances.h"
#include "support/LeakCheck.h"

namespace Passenger {

class InstanceLinkTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(InstanceLinkTest);
    CPPUNIT_TEST(testAChannelIsDroppedIfTheInstanceHasIt);
    CPPUNIT_TEST(testManyChannelsAreDroppedByFramesOfALimitedSize);
    CPPUNIT_TEST(testABusyInstanceIsToldNoMoreThanItHasRoomFor);
    CPPUNIT_TEST(testWithoutAControlSocketNothingIsSent);
    CPPUNIT_TEST(testAnAnswerComesAfterTheFramesForTheEarlierPool);
    CPPUNIT_TEST(testANewInstanceMayGiveASignOfLifeBeforeItsAnswer);
    CPPUNIT_TEST(testItsFramesAndItsEndAreToldOnTheLoop);
    CPPUNIT_TEST(testAnInstanceThatSendsWhatItMayNotIsKilled);
    CPPUNIT_TEST(testASignalThatCannotBeSentIsLogged);
    CPPUNIT_TEST(testAnInstanceThatSendsWithoutEndLeavesTheLoopToOthers);
    CPPUNIT_TEST_SUITE_END();

    std::unique_ptr<CapturedLog> log_;
    std::unique_ptr<EventLoop> loop_;
    SpawnResult parts_;
    FrameSocket there_;
    FrameType told_{};
    std::atomic<unsigned> frames_{0};
    std::atomic<bool> died_{false};

    static FrameSocket::Deadline later() { return FrameSocket::in(std::chrono::seconds(60)); }
    /** The channels of the DROP that has come; nothing: none has come. */
    std::optional<std::vector<std::string>> dropped() {
        const std::optional<Frame> frame = there_.tryReceive();
        CPPUNIT_ASSERT(!frame || frame->type == FrameType::DROP);
        return frame ? std::optional(frame->fields) : std::nullopt;
    }
    void give(InstanceLink &link, std::uint64_t channel) {
        CPPUNIT_ASSERT(link.giveChannel(ChannelId(channel), there_.descriptor().get()));
        const Frame frame = there_.receive(later());
        CPPUNIT_ASSERT(frame.type == FrameType::CHANNEL);
        CPPUNIT_ASSERT_EQUAL(channel, frame.number(0));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, frame.descriptors.size());
    }
    void watch(InstanceLink &link) {
        link.watch(
            *loop_, 1, [this] { died_ = true; },
            [this](const Frame &frame) {
                told_ = frame.type;
                ++frames_;
            });
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        log_ = std::make_unique<CapturedLog>();
        loop_ = std::make_unique<EventLoop>();
        DescriptorPair pair = makeStreamPair();
        parts_.control = FrameSocket(std::move(pair.first));
        there_ = FrameSocket(std::move(pair.second));
        frames_ = 0;
        died_ = false;
    }

    void tearDown() override {
        Rights::use(nullptr);
        parts_ = SpawnResult();
        there_ = {};
        loop_.reset();
        log_.reset();
        LeakCheck::tearDown();
    }

    void testAChannelIsDroppedIfTheInstanceHasIt() {
        InstanceLink link(parts_);
        give(link, 7);
        link.dropChannels({ChannelId(6), ChannelId(7), ChannelId(8)});
        CPPUNIT_ASSERT(dropped() == std::vector<std::string>{"7"});
        link.dropChannels({ChannelId(7)});
        CPPUNIT_ASSERT(!dropped());
    }

    void testManyChannelsAreDroppedByFramesOfALimitedSize() {
        InstanceLink link(parts_);
        std::vector<ChannelId> channels;
        for (std::uint64_t channel = 1; channel <= 300; channel++) {
            give(link, channel);
            channels.emplace_back(channel);
        }
        link.dropChannels(channels);
        CPPUNIT_ASSERT_EQUAL(std::size_t{256}, dropped().value().size());
        CPPUNIT_ASSERT_EQUAL(std::size_t{44}, dropped().value().size());
    }

    void testABusyInstanceIsToldNoMoreThanItHasRoomFor() {
        InstanceLink link(parts_);
        const Frame large(FrameType::THREADS, {std::string(10000, 'x')});
        for (unsigned i = 0; i < 100; i++) {
            link.sendIfRoom(large);
        }
        unsigned arrived = 0;
        while (there_.tryReceive()) {
            arrived++;
        }
        CPPUNIT_ASSERT(arrived > 0 && arrived < 20);
        CPPUNIT_ASSERT(log_->text().empty());
    }

    void testWithoutAControlSocketNothingIsSent() {
        parts_.control = {};
        InstanceLink link(parts_);
        CPPUNIT_ASSERT(!link.hasControl());
        CPPUNIT_ASSERT(link.send(Frame(FrameType::FINISH)));
        link.sendIfRoom(Frame(FrameType::THREADS));
        watch(link);
    }

    void testAnAnswerComesAfterTheFramesForTheEarlierPool() {
        InstanceLink link(parts_);
        there_.send(Frame(FrameType::HEARTBEAT), later());
        there_.send(Frame(FrameType::FETCH, {"7"}), later());
        there_.send(Frame(FrameType::READY), later());
        CPPUNIT_ASSERT(link.receiveAnswer(1, true, later()).type == FrameType::READY);
        const Frame answer = there_.receive(later());
        CPPUNIT_ASSERT(answer.type == FrameType::NO_CHANNEL);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{7}, answer.number(0));
    }

    void testANewInstanceMayGiveASignOfLifeBeforeItsAnswer() {
        InstanceLink link(parts_);
        for (const FrameType type : {FrameType::HEARTBEAT, FrameType::READY, FrameType::FETCH}) {
            there_.send(Frame(type), later());
        }
        CPPUNIT_ASSERT(link.receiveAnswer(1, false, later()).type == FrameType::READY);
        CPPUNIT_ASSERT(link.receiveAnswer(1, false, later()).type == FrameType::FETCH);
    }

    void testItsFramesAndItsEndAreToldOnTheLoop() {
        DummySpawnerFactory factory;
        FakeInstances instances(*loop_, factory);
        SpawnResult parts = factory.makeResult(Options());
        CPPUNIT_ASSERT(parts.control.receive(later()).type == FrameType::READY);
        auto link = std::make_unique<InstanceLink>(parts);
        watch(*link);
        instances.send(0, Frame(FrameType::HEARTBEAT));
        CPPUNIT_ASSERT(eventually([this] { return frames_ == 1; }));
        CPPUNIT_ASSERT(told_ == FrameType::HEARTBEAT);
        CPPUNIT_ASSERT(!died_);
        instances.kill(0);
        CPPUNIT_ASSERT(eventually([this] { return died_.load(); }));
        loop_->runSync([&] { link.reset(); });
    }

    void testAnInstanceThatSendsWhatItMayNotIsKilled() {
        DummySpawnerFactory factory;
        FakeInstances instances(*loop_, factory);
        SpawnResult parts = factory.makeResult(Options());
        CPPUNIT_ASSERT(parts.control.receive(later()).type == FrameType::READY);
        auto link = std::make_unique<InstanceLink>(parts);
        watch(*link);
        instances.send(0, Frame(FrameType::READY));
        instances.send(0, Frame(FrameType::HEARTBEAT));
        CPPUNIT_ASSERT_MESSAGE("A second READY is no fault", eventually([this] { return frames_ == 1; }));
        instances.send(0, Frame(FrameType::LOADED));
        CPPUNIT_ASSERT(eventually([this] { return died_.load(); }));
        CPPUNIT_ASSERT_EQUAL(1U, frames_.load());
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=instance.control_broken"));
        loop_->runSync([&] { link.reset(); });
    }

    void testASignalThatCannotBeSentIsLogged() {
        static struct RefusingRights final : OwnRights {
            bool signal(const FileDescriptor & /*pidFd*/, int number) override {
                if (number == SIGTERM) {
                    throw TimeoutException("no answer");
                }
                throw SystemException("pidfd_send_signal(9)", EPERM);
            }
        } refusing;
        DummySpawnerFactory factory;
        const FakeInstances instances(*loop_, factory);
        SpawnResult parts = factory.makeResult(Options());
        Rights::use(&refusing);
        InstanceLink(parts).signal(SIGKILL);
        InstanceLink(parts).signal(SIGTERM);
        CPPUNIT_ASSERT_EQUAL(2U, log_->count("event=process.kill_failed pid=" + std::to_string(parts.pid)));
    }

    /** Each frame makes the next one come before the socket is looked at again. */
    void testAnInstanceThatSendsWithoutEndLeavesTheLoopToOthers() {
        constexpr unsigned MANY = 500;
        const Frame large(FrameType::HEARTBEAT, {std::string(50'000, 'x')});
        auto link = std::make_unique<InstanceLink>(parts_);
        unsigned before = MANY;
        std::unique_ptr<DescriptorWatcher> other;
        const DescriptorPair pair = makeStreamPair();
        loop_->runSync([&] {
            other =
                std::make_unique<DescriptorWatcher>(*loop_, pair.first.get(), DescriptorWatcher::READABLE, [&](int) {
                    before = frames_;
                    other->setEvents(0);
                });
        });
        there_.send(large, later());
        link->watch(
            *loop_, 1, [] {},
            [&](const Frame &) {
                if (++frames_ == 1) {
                    sendWithDescriptors(pair.second, "x", {}, 0);
                }
                if (frames_ < MANY) {
                    there_.send(large, later());
                }
            });
        CPPUNIT_ASSERT(eventually([this] { return frames_ == MANY; }));
        loop_->runSync([&] {
            link.reset();
            other.reset();
        });
        CPPUNIT_ASSERT_MESSAGE(std::to_string(before), before < 20);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(InstanceLinkTest);

}  // namespace Passenger
