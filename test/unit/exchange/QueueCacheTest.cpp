#include "exchange/QueueCache.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>
#include <vector>

#include "io/ReplyChannel.h"
#include "io/RequestQueue.h"
#include "shm/InFlightTable.h"
#include "support/CountingCache.h"
#include "support/Expect.h"
#include "support/LeakCheck.h"

namespace Passenger {

class QueueCacheTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(QueueCacheTest);
    CPPUNIT_TEST(testTheAgentIsAskedOnce);
    CPPUNIT_TEST(testTheAgentIsAskedForANewGeneration);
    CPPUNIT_TEST(testTheAgentIsAskedForAStoppedApplication);
    CPPUNIT_TEST(testTheAgentIsToldOfAnUnusableGeneration);
    CPPUNIT_TEST(testACleanChannelIsReused);
    CPPUNIT_TEST(testAChannelThatIsNotCleanIsClosed);
    CPPUNIT_TEST(testANewAgentKnowsNoneOfTheOldChannels);
    CPPUNIT_TEST(testALinkToTheOldAgentGetsNoChannel);
    CPPUNIT_TEST(testAFailedRegistrationLosesNothing);
    CPPUNIT_TEST(testTheAgentIsAskedForAnInstanceOnce);
    CPPUNIT_TEST(testTheCommonQueueIsUsedIfTheInstanceDoesNotServe);
    CPPUNIT_TEST(testTheAgentIsNotAskedForAnInstanceThatItDidNotKnowAMomentAgo);
    CPPUNIT_TEST(testInstancesThatAnotherAgentTakesOverAreFoundAtOnce);
    CPPUNIT_TEST(testTheAgentIsNotAskedForEachOfManyInventedInstances);
    CPPUNIT_TEST(testInventedInstancesHideNoQueueOfHighPriority);
    CPPUNIT_TEST(testWithoutStickySessionsTheAgentIsNotAskedForAnInstance);
    CPPUNIT_TEST(testAnInstanceWhoseQueueIsClosedIsForgotten);
    CPPUNIT_TEST(testAnInstanceThatEndedIsForgottenWhenAnotherIsAskedFor);
    CPPUNIT_TEST(testANewAgentKnowsNoneOfTheOldInstances);
    CPPUNIT_TEST(testAChannelWhoseTicketsRunOutIsReplaced);
    CPPUNIT_TEST(testAnUnusedChannelThatReceivesDataIsShutDown);
    CPPUNIT_TEST(testChannelsBeyondThePeakOfUseAreClosed);
    CPPUNIT_TEST(testAChannelInUseIsNeverTrimmed);
    CPPUNIT_TEST(testIfNoChannelWasUsedAllAreClosed);
    CPPUNIT_TEST(testIfTheAgentCannotBeToldChannelsAreTrimmedTheNextTime);
    CPPUNIT_TEST(testTheAgentIsToldLaterOfAClosedChannel);
    CPPUNIT_TEST(testAnotherAgentResetsThePeakOfUse);
    CPPUNIT_TEST(testAClosedQueueIsForgotten);
    CPPUNIT_TEST(testTheEndOfTheProcessEndsItsExchanges);
    CPPUNIT_TEST(testDuringTheEndOfTheProcessNoExchangeBegins);
    CPPUNIT_TEST(testAllUnusedChannelsAreClosedInAShortage);
    CPPUNIT_TEST(testAShortageThatEndsRefusesNobody);
    CPPUNIT_TEST(testAShortageThatStaysIsARefusal);
    CPPUNIT_TEST(testUnusedChannelsGiveTheirEntriesInAFullInFlightTable);
    CPPUNIT_TEST_SUITE_END();

    std::unique_ptr<CountingCache> cache_;

    QueueLinkPtr link(Generation unusable = Generation()) { return cache_->link(Options(), unusable); }
    QueueLinkPtr linkTo(std::uint32_t instance, Generation unusable = Generation()) {
        Options options;
        options.stickySessions = true;
        options.request.queue = QueueChoice::ofInstance(instance);
        return cache_->link(options, unusable);
    }
    bool reaches(std::uint32_t instance) {
        const QueueLinkPtr found = linkTo(instance);
        return found != link();
    }
    /** The agent has nothing to take over any more. */
    void awaitTakeOver() {
        linkTo(99);
        cache_->time.advance(UnknownInstances::TAKE_OVER);
        cache_->attached = 0;
    }
    void invent(std::size_t count) {
        for (std::uint32_t id = 1000; id < 1000 + count; id++) {
            linkTo(id);
        }
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        cache_ = std::make_unique<CountingCache>();
    }

    void tearDown() override {
        cache_.reset();
        LeakCheck::tearDown();
    }

    void testTheAgentIsAskedOnce() {
        const QueueLinkPtr first = link();
        CPPUNIT_ASSERT(first == link());
        CPPUNIT_ASSERT_EQUAL(1U, cache_->attached);
    }

    void testTheAgentIsAskedForANewGeneration() {
        const QueueLinkPtr first = link();
        cache_->next();
        CPPUNIT_ASSERT(link()->generation != first->generation);
        CPPUNIT_ASSERT_EQUAL(2U, cache_->attached);
    }

    void testTheAgentIsAskedForAStoppedApplication() {
        link();
        cache_->down();
        link();
        CPPUNIT_ASSERT_EQUAL(2U, cache_->attached);
    }

    void testTheAgentIsToldOfAnUnusableGeneration() {
        const Generation first = link()->generation;
        link(first);
        CPPUNIT_ASSERT_EQUAL(2U, cache_->attached);
        CPPUNIT_ASSERT(cache_->lastUnusable == first);
    }

    void testACleanChannelIsReused() {
        const QueueLinkPtr queue = link();
        auto channel = cache_->takeChannel(*queue);
        const ChannelId id = channel->id();
        cache_->giveBack(std::move(channel), true);
        channel = cache_->takeChannel(*queue);
        CPPUNIT_ASSERT(channel->id() == id);
        CPPUNIT_ASSERT(cache_->takeChannel(*queue)->id() != id);
        CPPUNIT_ASSERT_EQUAL(2U, cache_->registered);
    }

    void testAChannelThatIsNotCleanIsClosed() {
        const QueueLinkPtr queue = link();
        auto channel = cache_->takeChannel(*queue);
        const std::uint32_t entry = channel->inFlightEntry();
        cache_->giveBack(std::move(channel), false);
        CPPUNIT_ASSERT_EQUAL(1U, cache_->unregistered);
        CPPUNIT_ASSERT_EQUAL_MESSAGE("Its place on the inFlightTable is free", entry,
                                     cache_->takeChannel(*queue)->inFlightEntry());
        CPPUNIT_ASSERT_EQUAL(2U, cache_->registered);
    }

    void testANewAgentKnowsNoneOfTheOldChannels() {
        const QueueLinkPtr old = link();
        auto kept = cache_->takeChannel(*old);
        auto used = cache_->takeChannel(*old);
        cache_->giveBack(std::move(kept), true);
        cache_->replaceAgent();
        cache_->giveBack(std::move(used), true);
        const QueueLinkPtr fresh = link();
        CPPUNIT_ASSERT_EQUAL(2U, cache_->attached);
        cache_->takeChannel(*fresh);
        CPPUNIT_ASSERT_EQUAL(3U, cache_->registered);
    }

    void testALinkToTheOldAgentGetsNoChannel() {
        const QueueLinkPtr old = link();
        cache_->replaceAgent();
        CPPUNIT_ASSERT(cache_->takeChannel(*old) == nullptr);
    }

    void testAFailedRegistrationLosesNothing() {
        const QueueLinkPtr queue = link();
        cache_->refuses = true;
        for (std::uint32_t i = 0; i <= InFlightLayout::ENTRIES; i++) {
            thrownBy<IOException>([&] { cache_->takeChannel(*queue); });
        }
        cache_->refuses = false;
        CPPUNIT_ASSERT_EQUAL(0U, cache_->takeChannel(*queue)->inFlightEntry());
    }

    void testTheAgentIsAskedForAnInstanceOnce() {
        cache_->instances[7];
        cache_->instances[8];
        const QueueLinkPtr first = linkTo(7);
        CPPUNIT_ASSERT(linkTo(8) != first);
        CPPUNIT_ASSERT(linkTo(7) == first);
        CPPUNIT_ASSERT(link() != first);
        CPPUNIT_ASSERT_EQUAL(2U, cache_->attached);
        CPPUNIT_ASSERT(cache_->takeChannel(*first) != nullptr);
    }

    void testTheCommonQueueIsUsedIfTheInstanceDoesNotServe() {
        const QueueLinkPtr queue = linkTo(7);
        CPPUNIT_ASSERT(link() == queue);
        CPPUNIT_ASSERT_EQUAL(1U, cache_->attached);
        cache_->instances[7];
        CPPUNIT_ASSERT_MESSAGE("It serves by now", linkTo(7)->sending.get() != queue->sending.get());
    }

    void testTheAgentIsNotAskedForAnInstanceThatItDidNotKnowAMomentAgo() {
        awaitTakeOver();
        cache_->instances[8];
        for (const unsigned questions : {1U, 2U, 3U}) {
            const QueueLinkPtr queue = linkTo(7);
            CPPUNIT_ASSERT(linkTo(7) == queue && link() == queue);
            CPPUNIT_ASSERT_EQUAL(questions, cache_->attached);
            if (questions == 1) {
                cache_->time.advance(UnknownInstances::PAUSE);
            } else {
                cache_->next();
            }
        }
        CPPUNIT_ASSERT_MESSAGE("Another one is found", reaches(8));
        cache_->replaceAgent();
        cache_->instances[7];
        CPPUNIT_ASSERT_MESSAGE("Another agent may know it", reaches(7));
    }

    void testInstancesThatAnotherAgentTakesOverAreFoundAtOnce() {
        awaitTakeOver();
        cache_->replaceAgent();
        CPPUNIT_ASSERT(!reaches(7) && !reaches(8));
        cache_->instances[7];
        CPPUNIT_ASSERT(reaches(7));
        cache_->time.advance(UnknownInstances::TAKE_OVER - std::chrono::milliseconds(1));
        CPPUNIT_ASSERT(!reaches(8));
        cache_->instances[8];
        CPPUNIT_ASSERT_MESSAGE("This one is slow", reaches(8));
    }

    void testTheAgentIsNotAskedForEachOfManyInventedInstances() {
        for (const bool takesOver : {true, false}) {
            cache_->attached = 0;
            invent(2 * UnknownInstances::MOST);
            CPPUNIT_ASSERT_EQUAL_MESSAGE(takesOver ? "during a take-over" : "later",
                                         static_cast<unsigned>(UnknownInstances::MOST), cache_->attached);
            awaitTakeOver();
            cache_->time.advance(UnknownInstances::PAUSE);
        }
    }

    void testInventedInstancesHideNoQueueOfHighPriority() {
        awaitTakeOver();
        invent(UnknownInstances::MOST);
        Options options;
        options.priorityQueue = true;
        options.request.queue = QueueChoice::ofHighPriority();
        cache_->instances[options.request.queue.number()];
        CPPUNIT_ASSERT(cache_->link(options, Generation()) != link());
    }

    void testWithoutStickySessionsTheAgentIsNotAskedForAnInstance() {
        cache_->instances[7];
        const QueueLinkPtr queue = link();
        Options options;
        options.request.queue = QueueChoice::ofInstance(7);
        CPPUNIT_ASSERT(cache_->link(options, Generation()) == queue);
    }

    void testAnInstanceWhoseQueueIsClosedIsForgotten() {
        cache_->instances[7];
        const std::weak_ptr<const QueueLink> old = linkTo(7);
        cache_->instances.at(7).shutDown();
        cache_->instances.clear();
        const QueueLinkPtr queue = linkTo(7, old.lock()->generation);
        CPPUNIT_ASSERT(queue == link());
        CPPUNIT_ASSERT(old.expired());
    }

    void testAnInstanceThatEndedIsForgottenWhenAnotherIsAskedFor() {
        cache_->instances[7];
        const std::weak_ptr<const QueueLink> old = linkTo(7);
        cache_->instances.at(7).shutDown();
        cache_->instances[8];
        linkTo(8);
        CPPUNIT_ASSERT(old.expired());
    }

    void testANewAgentKnowsNoneOfTheOldInstances() {
        cache_->instances[7];
        const QueueLinkPtr old = linkTo(7);
        cache_->replaceAgent();
        CPPUNIT_ASSERT(linkTo(7) != old);
        CPPUNIT_ASSERT(!cache_->takeChannel(*old));
    }

    void testAChannelWhoseTicketsRunOutIsReplaced() {
        const QueueLinkPtr queue = link();
        auto channel = cache_->takeChannel(*queue);
        const ChannelId first = channel->id();
        for (std::uint64_t i = 1; i < ReplyChannel::MOST_TICKETS; i++) {
            channel->nextTicket();
        }
        cache_->giveBack(std::move(channel), true);
        channel = cache_->takeChannel(*queue);
        CPPUNIT_ASSERT(channel->id() == first);
        channel->nextTicket();
        cache_->giveBack(std::move(channel), true);
        CPPUNIT_ASSERT(cache_->takeChannel(*queue)->id() != first);
        CPPUNIT_ASSERT_EQUAL(1U, cache_->unregistered);
    }

    void testAnUnusedChannelThatReceivesDataIsShutDown() {
        exchange(2);
        MessageHeader header{};
        while (notifyChannel(cache_->instanceEnds.front(), header, "nobody has asked for this")) {
        }
        cache_->trim();
        CPPUNIT_ASSERT_EQUAL_MESSAGE("The other one is kept", 1U, cache_->unregistered);
        char byte = 0;
        CPPUNIT_ASSERT_EQUAL_MESSAGE("Who waits for room is told", ssize_t{-1},
                                     ::send(cache_->instanceEnds.front().get(), &byte, 1, MSG_NOSIGNAL));
        CPPUNIT_ASSERT(errno == EPIPE || errno == ECONNRESET);
        exchange(1);
        CPPUNIT_ASSERT_EQUAL(2U, cache_->registered);
    }

    /** Runs `count` exchanges at once. @return the descriptors of their channels */
    std::vector<int> exchange(unsigned count) {
        const QueueLinkPtr queue = link();
        std::vector<std::unique_ptr<ReplyChannel>> channels;
        std::vector<int> descriptors;
        for (unsigned i = 0; i < count; i++) {
            channels.push_back(cache_->takeChannel(*queue));
            descriptors.push_back(channels.back()->descriptor());
        }
        for (auto &channel : channels) {
            cache_->giveBack(std::move(channel), true);
        }
        return descriptors;
    }

    void testChannelsBeyondThePeakOfUseAreClosed() {
        const std::vector<int> descriptors = exchange(10);
        cache_->trim();
        CPPUNIT_ASSERT_EQUAL_MESSAGE("All were used", 0U, cache_->unregistered);
        exchange(3);
        exchange(4);
        exchange(2);
        cache_->trim();
        CPPUNIT_ASSERT_EQUAL(6U, cache_->unregistered);
        const auto open =
            std::count_if(descriptors.begin(), descriptors.end(), [](int fd) { return ::fcntl(fd, F_GETFD) >= 0; });
        CPPUNIT_ASSERT_EQUAL(4L, static_cast<long>(open));
        exchange(5);
        CPPUNIT_ASSERT_EQUAL_MESSAGE("The fifth is a new one", 11U, cache_->registered);
    }

    void testAChannelInUseIsNeverTrimmed() {
        const QueueLinkPtr queue = link();
        auto channel = cache_->takeChannel(*queue);
        cache_->trim();
        cache_->trim();
        CPPUNIT_ASSERT_EQUAL(0U, cache_->unregistered);
        cache_->giveBack(std::move(channel), true);
        exchange(1);
        CPPUNIT_ASSERT_EQUAL(1U, cache_->registered);
    }

    void testIfNoChannelWasUsedAllAreClosed() {
        exchange(2);
        cache_->trim();
        cache_->trim();
        CPPUNIT_ASSERT_EQUAL(2U, cache_->unregistered);
        CPPUNIT_ASSERT_EQUAL_MESSAGE("Their places on the inFlightTable are free", 0U,
                                     cache_->takeChannel(*link())->inFlightEntry());
    }

    void testIfTheAgentCannotBeToldChannelsAreTrimmedTheNextTime() {
        exchange(5);
        cache_->trim();
        cache_->reachable = false;
        cache_->trim();
        exchange(3);
        CPPUNIT_ASSERT_EQUAL_MESSAGE("They serve meanwhile", 5U, cache_->registered);
        cache_->reachable = true;
        cache_->trim();
        CPPUNIT_ASSERT_EQUAL(2U, cache_->unregistered);
    }

    void testTheAgentIsToldLaterOfAClosedChannel() {
        const QueueLinkPtr queue = link();
        auto first = cache_->takeChannel(*queue);
        auto second = cache_->takeChannel(*queue);
        cache_->reachable = false;
        cache_->giveBack(std::move(first), false);
        cache_->reachable = true;
        cache_->giveBack(std::move(second), false);
        CPPUNIT_ASSERT_EQUAL(2U, cache_->unregistered);
    }

    void testAnotherAgentResetsThePeakOfUse() {
        exchange(5);
        cache_->trim();
        cache_->replaceAgent();
        exchange(2);
        cache_->trim();
        CPPUNIT_ASSERT_EQUAL(0U, cache_->unregistered);
    }

    void testAClosedQueueIsForgotten() {
        const std::weak_ptr<const QueueLink> queue = link();
        cache_->trim();
        CPPUNIT_ASSERT(!queue.expired());
        cache_->closeQueue();
        cache_->trim();
        CPPUNIT_ASSERT(queue.expired());
    }

    void testTheEndOfTheProcessEndsItsExchanges() {
        const QueueLinkPtr queue = link();
        auto channel = cache_->takeChannel(*queue);
        cache_->cutOff();
        std::vector<char> buffer(MAX_MESSAGE);
        std::vector<FileDescriptor> descriptors;
        thrownBy<EndOfFileException>([&] { channel->receive(buffer, descriptors); });
        cache_->giveBack(std::move(channel), false);
    }

    void testDuringTheEndOfTheProcessNoExchangeBegins() {
        exchange(1);
        const QueueLinkPtr queue = link();
        cache_->cutOff();
        const auto refusal = thrownBy<RefusedException>([&] { cache_->takeChannel(*queue); });
        CPPUNIT_ASSERT_EQUAL(std::uint16_t{503}, refusal.status());
    }

    void testAllUnusedChannelsAreClosedInAShortage() {
        const QueueLinkPtr queue = link();
        auto used = cache_->takeChannel(*queue);
        auto one = cache_->takeChannel(*queue);
        auto two = cache_->takeChannel(*queue);
        cache_->giveBack(std::move(one), true);
        cache_->giveBack(std::move(two), true);
        cache_->closeIdle();
        CPPUNIT_ASSERT_EQUAL(2U, cache_->unregistered);
        cache_->giveBack(std::move(used), true);
        CPPUNIT_ASSERT_EQUAL(2U, cache_->unregistered);
    }

    void testAShortageThatEndsRefusesNobody() {
        const QueueLinkPtr queue = link();
        cache_->shortages = 1;
        CPPUNIT_ASSERT(cache_->takeChannel(*queue));
        CPPUNIT_ASSERT_EQUAL(2U, cache_->registered);
    }

    void testAShortageThatStaysIsARefusal() {
        const QueueLinkPtr queue = link();
        cache_->shortages = 2;
        thrownBy<DescriptorShortageException>([&] { cache_->takeChannel(*queue); });
        CPPUNIT_ASSERT_EQUAL(0U, cache_->inFlightTable().allocate());
    }

    void testUnusedChannelsGiveTheirEntriesInAFullInFlightTable() {
        const QueueLinkPtr queue = link();
        for (std::uint32_t i = 0; i < InFlightLayout::ENTRIES; i++) {
            cache_->inFlightTable().allocate();
        }
        CPPUNIT_ASSERT_EQUAL(+CountingCache::UNUSED_ENTRY, cache_->takeChannel(*queue)->inFlightEntry());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(QueueCacheTest);

}  // namespace Passenger
