#include "exchange/ChannelStock.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/socket.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "io/SocketPair.h"
#include "support/LeakCheck.h"

namespace Passenger {

class ChannelStockTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(ChannelStockTest);
    CPPUNIT_TEST(testTheChannelThatWasUsedLastComesFirst);
    CPPUNIT_TEST(testChannelsThatNobodyHasUsedSinceTheLastCallAreUnused);
    CPPUNIT_TEST(testUnusedChannelsThatAreKeptAreUnusedTheNextTime);
    CPPUNIT_TEST(testAMessageFoulsAChannel);
    CPPUNIT_TEST(testAllUnusedChannelsCanBeTaken);
    CPPUNIT_TEST(testChannelsInUseAreShutDownToo);
    CPPUNIT_TEST_SUITE_END();

    using Channels = ChannelStock::Channels;
    using Ids = std::vector<std::uint64_t>;

    ChannelStock stock_;
    /** The instances' ends. */
    std::vector<FileDescriptor> others_;

    /** A channel in use. */
    std::unique_ptr<ReplyChannel> make() {
        DescriptorPair ends = makeSeqPacketPair();
        others_.push_back(std::move(ends.second));
        auto channel = std::make_unique<ReplyChannel>(std::move(ends.first), ChannelId(others_.size()), 0, 0,
                                                      ChannelSecret::random());
        stock_.add(*channel);
        return channel;
    }
    /** Unused channels with ids from 1 on, the last of which was used last. */
    void fill(unsigned count) {
        for (unsigned i = 0; i < count; i++) {
            stock_.put(make());
        }
    }
    static Ids idsOf(const Channels &channels) {
        Ids ids;
        for (const std::unique_ptr<ReplyChannel> &channel : channels) {
            ids.push_back(channel->id().value());
        }
        return ids;
    }
    void useOnce(unsigned count) {
        Channels used;
        for (unsigned i = 0; i < count; i++) {
            used.push_back(stock_.take());
        }
        for (std::unique_ptr<ReplyChannel> &channel : used) {
            stock_.put(std::move(channel));
        }
    }
    bool ended(std::size_t id) const {
        char byte = 0;
        return ::recv(others_.at(id - 1).get(), &byte, 1, MSG_DONTWAIT) == 0;
    }

public:
    void tearDown() override {
        stock_ = ChannelStock();
        others_.clear();
        LeakCheck::tearDown();
    }

    void testTheChannelThatWasUsedLastComesFirst() {
        CPPUNIT_ASSERT(!stock_.take());
        fill(2);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, stock_.take()->id().value());
    }

    void testChannelsThatNobodyHasUsedSinceTheLastCallAreUnused() {
        fill(5);
        CPPUNIT_ASSERT_MESSAGE("All are new", stock_.takeUnused().empty());
        useOnce(1);
        useOnce(3);
        useOnce(2);
        CPPUNIT_ASSERT((Ids{1, 2} == idsOf(stock_.takeUnused())));
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, stock_.takeUnused().size());
        CPPUNIT_ASSERT(!stock_.take());
    }

    void testUnusedChannelsThatAreKeptAreUnusedTheNextTime() {
        fill(3);
        stock_.takeUnused();
        useOnce(1);
        stock_.keep(stock_.takeUnused());
        CPPUNIT_ASSERT_EQUAL_MESSAGE("They serve meanwhile, as the last ones", std::uint64_t{3},
                                     stock_.take()->id().value());
        CPPUNIT_ASSERT((Ids{1, 2} == idsOf(stock_.takeUnused())));
    }

    void testAMessageFoulsAChannel() {
        fill(4);
        stock_.takeUnused();
        for (const std::size_t id : {2U, 4U}) {
            CPPUNIT_ASSERT_EQUAL(ssize_t{1}, ::send(others_.at(id - 1).get(), "x", 1, MSG_NOSIGNAL));
        }
        CPPUNIT_ASSERT((Ids{2, 4} == idsOf(stock_.takeFouled())));
        CPPUNIT_ASSERT((Ids{1, 3} == idsOf(stock_.takeUnused())));
        CPPUNIT_ASSERT(!stock_.take());
    }

    void testAllUnusedChannelsCanBeTaken() {
        fill(2);
        const std::unique_ptr<ReplyChannel> used = make();
        CPPUNIT_ASSERT((Ids{1, 2} == idsOf(stock_.takeFree())));
        CPPUNIT_ASSERT(!stock_.take());
        CPPUNIT_ASSERT(stock_.takeUnused().empty());
    }

    void testChannelsInUseAreShutDownToo() {
        fill(1);
        const std::unique_ptr<ReplyChannel> used = make();
        const std::unique_ptr<ReplyChannel> gone = make();
        stock_.remove(*gone);
        stock_.shutDown();
        CPPUNIT_ASSERT(ended(1));
        CPPUNIT_ASSERT(ended(2));
        CPPUNIT_ASSERT(!ended(3));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ChannelStockTest);

}  // namespace Passenger
