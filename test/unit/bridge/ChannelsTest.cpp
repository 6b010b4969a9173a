#include "bridge/Channels.h"

#include <cppunit/extensions/HelperMacros.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/Exceptions.h"
#include "io/SocketPair.h"
#include "support/LeakCheck.h"

namespace Passenger {

/** Channels of an agent that does not answer, or that cannot be asked. */
class ChannelsTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(ChannelsTest);
    CPPUNIT_TEST(testOnlySoManyAreAskedForAtOnce);
    CPPUNIT_TEST(testALateAnswerCountsForLaterRequests);
    CPPUNIT_TEST(testRequestsThatWaitLearnThatThereIsNoChannel);
    CPPUNIT_TEST(testAQuestionThatCannotBeSentIsAskedAgain);
    CPPUNIT_TEST(testAnAgentThatHasGoneIsAskedNothing);
    CPPUNIT_TEST_SUITE_END();

    enum class Result { WAIT, NONE, FOUND };

    std::vector<std::uint64_t> asked_;
    int error_ = 0;
    Bridge::Channels channels_{[this](std::uint64_t id) {
        asked_.push_back(id);
        if (error_ != 0) {
            throw SystemException("sendmsg", error_);
        }
    }};

    Result find(std::uint64_t id, bool &asked) {
        const auto found = channels_.find(id, asked);
        return !found ? Result::WAIT : *found ? Result::FOUND : Result::NONE;
    }
    /** Of a new request. */
    Result find(std::uint64_t id) {
        bool asked = false;
        return find(id, asked);
    }

public:
    void testOnlySoManyAreAskedForAtOnce() {
        constexpr std::uint64_t MANY = Bridge::Channels::MOST_ASKED + 1;
        for (std::uint64_t id = 1; id <= MANY; id++) {
            CPPUNIT_ASSERT(find(id) == Result::WAIT);
        }
        CPPUNIT_ASSERT_EQUAL(Bridge::Channels::MOST_ASKED, asked_.size());
        channels_.refuse(8);
        CPPUNIT_ASSERT(find(MANY) == Result::WAIT);
        CPPUNIT_ASSERT_EQUAL(MANY, asked_.back());
    }

    void testALateAnswerCountsForLaterRequests() {
        CPPUNIT_ASSERT(find(7) == Result::WAIT);
        channels_.add(7, makeSeqPacketPair().second);
        CPPUNIT_ASSERT(find(7) == Result::FOUND);
        channels_.drop(7);
        CPPUNIT_ASSERT(find(7) == Result::WAIT);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, asked_.size());
    }

    void testRequestsThatWaitLearnThatThereIsNoChannel() {
        for (int way = 0; way < 3; way++) {
            bool first = false;
            bool second = false;
            CPPUNIT_ASSERT(find(7, first) == Result::WAIT);
            CPPUNIT_ASSERT(find(7, second) == Result::WAIT);
            CPPUNIT_ASSERT_EQUAL(static_cast<std::size_t>(way) + 1, asked_.size());
            way == 0 ? channels_.refuse(7) : way == 1 ? channels_.forget() : channels_.stop();
            CPPUNIT_ASSERT(find(7, first) == Result::NONE);
            CPPUNIT_ASSERT(find(7, second) == Result::NONE);
        }
    }

    void testAQuestionThatCannotBeSentIsAskedAgain() {
        error_ = ENOBUFS;
        CPPUNIT_ASSERT(find(7) == Result::NONE);
        CPPUNIT_ASSERT(find(7) == Result::NONE);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, asked_.size());
    }

    void testAnAgentThatHasGoneIsAskedNothing() {
        error_ = EPIPE;
        CPPUNIT_ASSERT(find(7) == Result::NONE);
        CPPUNIT_ASSERT(find(8) == Result::NONE);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, asked_.size());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ChannelsTest);

}  // namespace Passenger
