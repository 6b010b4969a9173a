#include "exchange/ReplyWait.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/socket.h>

#include "io/SocketPair.h"
#include "support/LeakCheck.h"

namespace Passenger {

using namespace std::chrono_literals;

class ReplyWaitTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(ReplyWaitTest);
    CPPUNIT_TEST(testAMessageEndsTheWait);
    CPPUNIT_TEST(testRoomEndsTheWaitOnlyWhenTheBodyNeedsIt);
    CPPUNIT_TEST(testAClientThatClosedItsSocketHasLeft);
    CPPUNIT_TEST(testAHalfClosedClientHasLeftOnlyWhenWatchedClosely);
    CPPUNIT_TEST(testAnAgentThatDiedIsFound);
    CPPUNIT_TEST(testAClientWithoutASocketIsAsked);
    CPPUNIT_TEST_SUITE_END();

    std::optional<DescriptorPair> channel_;
    std::optional<DescriptorPair> other_;

    ReplyWait::Sources channelOnly() const {
        return {.channel = channel_->first.get(), .room = false, .agentLife = -1};
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        channel_ = makeSeqPacketPair();
        other_ = makeSeqPacketPair();
    }

    void tearDown() override {
        channel_.reset();
        other_.reset();
        LeakCheck::tearDown();
    }

    void testAMessageEndsTheWait() {
        const ReplyWait wait(-1, std::nullopt);
        CPPUNIT_ASSERT(wait.poll(channelOnly(), 0ms).timeUp);
        CPPUNIT_ASSERT_EQUAL(ssize_t{1}, send(channel_->second.get(), "x", 1, 0));
        const ReplyWait::Found found = wait.poll(channelOnly(), 60s);
        CPPUNIT_ASSERT(found.message && !found.timeUp && !found.clientLeft && !found.agentDied);
    }

    void testRoomEndsTheWaitOnlyWhenTheBodyNeedsIt() {
        const ReplyWait wait(-1, std::nullopt);
        ReplyWait::Sources sources = channelOnly();
        sources.room = true;
        const ReplyWait::Found found = wait.poll(sources, 60s);
        CPPUNIT_ASSERT(found.room && !found.timeUp && !found.message);
    }

    void testAClientThatClosedItsSocketHasLeft() {
        const ReplyWait wait(other_->first.get(), std::nullopt);
        other_->second.reset();
        CPPUNIT_ASSERT(wait.poll(channelOnly(), 60s).clientLeft);
    }

    void testAHalfClosedClientHasLeftOnlyWhenWatchedClosely() {
        ReplyWait wait(other_->first.get(), std::nullopt);
        CPPUNIT_ASSERT_EQUAL(0, shutdown(other_->second.get(), SHUT_WR));
        CPPUNIT_ASSERT(wait.poll(channelOnly(), 0ms).timeUp);
        wait.watchClosely();
        CPPUNIT_ASSERT(wait.poll(channelOnly(), 60s).clientLeft);
    }

    void testAnAgentThatDiedIsFound() {
        const ReplyWait wait(-1, std::nullopt);
        ReplyWait::Sources sources = channelOnly();
        sources.agentLife = other_->first.get();
        CPPUNIT_ASSERT(wait.poll(sources, 0ms).timeUp);
        other_->second.reset();
        CPPUNIT_ASSERT(wait.poll(sources, 60s).agentDied);
    }

    void testAClientWithoutASocketIsAsked() {
        bool left = false;
        const MessageRequest::Client client([](const void *it) noexcept { return *static_cast<const bool *>(it); },
                                            &left);
        const ReplyWait wait(client, std::nullopt);
        CPPUNIT_ASSERT(!wait.clientSaysLeft());
        // The wait is short enough to ask again.
        CPPUNIT_ASSERT(wait.poll(channelOnly(), 60s).timeUp);
        left = true;
        CPPUNIT_ASSERT(wait.clientSaysLeft());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ReplyWaitTest);

}  // namespace Passenger
