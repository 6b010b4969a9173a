#include "pool/ChannelRegistry.h"

#include <cppunit/extensions/HelperMacros.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/DescriptorCloser.h"
#include "base/Exceptions.h"
#include "base/Poll.h"
#include "io/ReplyChannel.h"
#include "io/SocketPair.h"
#include "shm/GenerationTableView.h"
#include "shm/InFlightReader.h"
#include "shm/InFlightTable.h"
#include "support/Eventually.h"
#include "support/Expect.h"
#include "support/HeldMemory.h"
#include "support/LeakCheck.h"

namespace Passenger {

class ChannelRegistryTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(ChannelRegistryTest);
    CPPUNIT_TEST(testSendersGetTheLowestFreeSlot);
    CPPUNIT_TEST(testChildrenLearnHowManySlotsAreInUse);
    CPPUNIT_TEST(testAChannelsIdHasItsSlotAndIsNeverReused);
    CPPUNIT_TEST(testAChannelIsHandedOutToItsOwnGroup);
    CPPUNIT_TEST(testAChannelIsNotHandedOutToAnotherGroup);
    CPPUNIT_TEST(testAChannelIsRemovedByItsOwnSenderOnly);
    CPPUNIT_TEST(testTheEndOfASenderRemovesItsChannels);
    CPPUNIT_TEST(testRequestsInTheInFlightTableAreInFlight);
    CPPUNIT_TEST(testAnInFlightTableCannotNameAnotherSendersChannel);
    CPPUNIT_TEST(testAChannelHasNoRequestOfAnotherApplication);
    CPPUNIT_TEST(testTheChildGetsANotice);
    CPPUNIT_TEST(testARefusalHasItsReport);
    CPPUNIT_TEST(testAnotherGroupCannotSendANotice);
    CPPUNIT_TEST(testAFullChannelGetsItsNoticeWhenItHasRoom);
    CPPUNIT_TEST(testAFullChannelThatEndsIsForgotten);
    CPPUNIT_TEST(testAChannelThatWasRemovedHoldsNoDescriptors);
    CPPUNIT_TEST(testAnInstanceThatHoldsItsEndKeepsNobodyFromForgettingTheChannel);
    CPPUNIT_TEST(testTheChannelsOfASenderAreCounted);
    CPPUNIT_TEST(testTheChannelsOfAGroupAreCountedOverAllSenders);
    CPPUNIT_TEST(testOneSenderCannotHaveAllChannels);
    CPPUNIT_TEST(testOneSenderCannotKeepAllApplicationsInUse);
    CPPUNIT_TEST(testLowerLimitsCountForFurtherChannels);
    CPPUNIT_TEST(testASenderThatHasEndedGetsNoChannel);
    CPPUNIT_TEST_SUITE_END();

    std::unique_ptr<EventLoop> loop_;
    std::unique_ptr<ChannelRegistry> registry_;
    std::unique_ptr<InFlightTable> inFlightTable_;
    FileDescriptor child_;
    const ChannelSecret secret_ = ChannelSecret::random();
    ChannelId channel_;

    std::uint32_t addSender(const InFlightTable &inFlightTable) {
        return registry_->addSender(InFlightReader(inFlightTable.memory().descriptor().duplicate()));
    }
    /** Adds a channel of the sender in slot 0, for the Group in slot 2. */
    void addChannel() {
        DescriptorPair pair = makeSeqPacketPair();
        child_ = std::move(pair.first);
        channel_ = registry_->add(std::move(pair.second), addSender(*inFlightTable_), 2, secret_);
    }
    /** The end that an instance of this Group gets; none: this Group has no such channel. */
    FileDescriptor find(ChannelId channel, std::uint32_t groupSlot) {
        FileDescriptor end;
        const bool lent = registry_->lend(channel, groupSlot, [&](int fd) { end.reset(::dup(fd)); });
        CPPUNIT_ASSERT_EQUAL(lent, static_cast<bool>(end));
        return end;
    }
    /** The notice that the child has received, or nothing. */
    std::optional<MessageHeader> told(std::string *payload = nullptr) {
        std::string text(MAX_MESSAGE, '\0');
        const ssize_t size = ::recv(child_.get(), text.data(), text.size(), MSG_DONTWAIT);
        if (size < static_cast<ssize_t>(sizeof(MessageHeader))) {
            return std::nullopt;
        }
        MessageHeader header;
        std::memcpy(&header, text.data(), sizeof(header));
        if (payload != nullptr) {
            *payload = text.substr(sizeof(header), static_cast<std::size_t>(size) - sizeof(header));
        }
        return header;
    }
    /** @return the number of notices that fit */
    unsigned fillChannel() {
        const FileDescriptor end = find(channel_, 2);
        unsigned count = 0;
        while (notifyChannel(end, MessageHeader{}, std::string(60000, 'x'))) {
            count++;
        }
        return count;
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        loop_ = std::make_unique<EventLoop>();
        registry_ = std::make_unique<ChannelRegistry>(*loop_);
        inFlightTable_ = std::make_unique<InFlightTable>();
    }

    void tearDown() override {
        child_.reset();
        registry_.reset();
        inFlightTable_.reset();
        loop_.reset();
        LeakCheck::tearDown();
    }

    void testSendersGetTheLowestFreeSlot() {
        CPPUNIT_ASSERT_EQUAL(0U, addSender(*inFlightTable_));
        CPPUNIT_ASSERT_EQUAL(1U, addSender(*inFlightTable_));
        CPPUNIT_ASSERT_EQUAL(2U, addSender(*inFlightTable_));
        registry_->removeSender(1);
        CPPUNIT_ASSERT_EQUAL(1U, addSender(*inFlightTable_));
        CPPUNIT_ASSERT_EQUAL(3U, addSender(*inFlightTable_));
    }

    void testChildrenLearnHowManySlotsAreInUse() {
        const GenerationTableView view(registry_->generations().memory().readOnlyDescriptor());
        addSender(*inFlightTable_);
        addSender(*inFlightTable_);
        CPPUNIT_ASSERT_EQUAL(2U, view.childSlots());
        registry_->removeSender(0);
        CPPUNIT_ASSERT_EQUAL(2U, view.childSlots());
        CPPUNIT_ASSERT_EQUAL(2U, registry_->childSlots());
        registry_->removeSender(1);
        CPPUNIT_ASSERT_EQUAL(0U, view.childSlots());
    }

    void testAChannelsIdHasItsSlotAndIsNeverReused() {
        addChannel();
        registry_->remove(channel_, 0);
        DescriptorPair pair = makeSeqPacketPair();
        const ChannelId next = registry_->add(std::move(pair.second), 0, 2, secret_);
        CPPUNIT_ASSERT(next != channel_);
        CPPUNIT_ASSERT_MESSAGE("Its mark's slot rests as long as there are others",
                               (next.value() & 0xffff) != (channel_.value() & 0xffff));
        CPPUNIT_ASSERT(next.value() >> 16 > channel_.value() >> 16);
    }

    void testAChannelIsHandedOutToItsOwnGroup() {
        addChannel();
        const FileDescriptor end = find(channel_, 2);
        CPPUNIT_ASSERT(end);
        CPPUNIT_ASSERT(notifyChannel(end, MessageHeader{}, ""));
        CPPUNIT_ASSERT(told());
    }

    void testAChannelIsNotHandedOutToAnotherGroup() {
        addChannel();
        CPPUNIT_ASSERT(!find(channel_, 3));
        CPPUNIT_ASSERT(!find(ChannelId(4711), 2));
    }

    void testAChannelIsRemovedByItsOwnSenderOnly() {
        addChannel();
        CPPUNIT_ASSERT(!registry_->remove(channel_, addSender(*inFlightTable_)));
        CPPUNIT_ASSERT_EQUAL(2U, *registry_->remove(channel_, 0));
        CPPUNIT_ASSERT(!registry_->remove(channel_, 0));
    }

    void testTheEndOfASenderRemovesItsChannels() {
        addChannel();
        const auto gone = registry_->removeSender(0);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, gone.size());
        CPPUNIT_ASSERT(gone.front() == std::make_pair(channel_, 2U));
        CPPUNIT_ASSERT(!find(channel_, 2));
    }

    void testRequestsInTheInFlightTableAreInFlight() {
        addChannel();
        inFlightTable_->sending(inFlightTable_->allocate(), channel_, Ticket(9), 2, MonotonicTime());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, registry_->inFlight(2).size());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{9}, registry_->inFlight(2).front().ticket);
        CPPUNIT_ASSERT(registry_->inFlight(3).empty());
    }

    void testAnInFlightTableCannotNameAnotherSendersChannel() {
        addChannel();
        InFlightTable other;
        addSender(other);
        other.sending(other.allocate(), channel_, Ticket(9), 2, MonotonicTime());
        CPPUNIT_ASSERT(registry_->inFlight(2).empty());
    }

    void testAChannelHasNoRequestOfAnotherApplication() {
        addChannel();
        inFlightTable_->sending(inFlightTable_->allocate(), channel_, Ticket(9), 3, MonotonicTime());
        CPPUNIT_ASSERT(registry_->inFlight(3).empty());
        CPPUNIT_ASSERT(registry_->described(3).empty());
    }

    void testTheChildGetsANotice() {
        addChannel();
        registry_->tell(channel_, Ticket(9), 2, MessageType::LOST);
        const auto notice = told();
        CPPUNIT_ASSERT(notice && notice->type == MessageType::LOST);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{9}, notice->ticket);
    }

    void testARefusalHasItsReport() {
        addChannel();
        registry_->tell(channel_, Ticket(9), 2, MessageType::REFUSED, 500, "deadbeef", std::string(100000, 'x'));
        std::string payload;
        const auto notice = told(&payload);
        CPPUNIT_ASSERT(notice && notice->type == MessageType::REFUSED);
        CPPUNIT_ASSERT_EQUAL(std::uint16_t{500}, notice->status);
        CPPUNIT_ASSERT_EQUAL(std::string(secret_.bytes()) + "deadbeef",
                             payload.substr(0, ChannelSecret::SIZE + notice->headLength));
        CPPUNIT_ASSERT_EQUAL_MESSAGE("As much as fits", MAX_MESSAGE, sizeof(MessageHeader) + payload.size());
    }

    void testAnotherGroupCannotSendANotice() {
        addChannel();
        registry_->tell(channel_, Ticket(9), 3, MessageType::LOST);
        CPPUNIT_ASSERT(!told());
    }

    void testAFullChannelGetsItsNoticeWhenItHasRoom() {
        addChannel();
        const unsigned full = fillChannel();
        registry_->tell(channel_, Ticket(8), 2, MessageType::RECHECK, 0, "", std::string(60000, 'x'));
        registry_->tell(channel_, Ticket(9), 2, MessageType::LOST, 0, "", std::string(60000, 'x'));
        for (unsigned i = 0; i < full; i++) {
            CPPUNIT_ASSERT(told());
        }
        std::optional<MessageHeader> notice;
        CPPUNIT_ASSERT(eventually([&] { return (notice = told()).has_value(); }));
        CPPUNIT_ASSERT_EQUAL_MESSAGE("In their order", std::uint64_t{8}, notice->ticket);
        CPPUNIT_ASSERT(eventually([&] { return (notice = told()).has_value(); }));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{9}, notice->ticket);
    }

    void testAFullChannelThatEndsIsForgotten() {
        addChannel();
        fillChannel();
        registry_->tell(channel_, Ticket(9), 2, MessageType::LOST, 0, "", std::string(60000, 'x'));
        registry_->removeSender(0);
        registry_.reset();
        // Reads all notices up to the end of file.
        while (told()) {
        }
    }

    void testAChannelThatWasRemovedHoldsNoDescriptors() {
        addChannel();
        const FileDescriptor instance = find(channel_, 2);
        DescriptorPair pipe = makePipe();
        const int sent = pipe.second.get();
        sendWithDescriptors(child_, "a file", std::span(&sent, 1));
        sendWithDescriptors(child_, "another", std::span(&sent, 1));
        pipe.second.reset();
        registry_->remove(channel_, 0);
        char byte = 0;
        // All copies are closed.
        CPPUNIT_ASSERT(pollUntil(pipe.first.get(), POLLIN, std::chrono::steady_clock::now() + std::chrono::minutes(1)));
        CPPUNIT_ASSERT_EQUAL(ssize_t{0}, ::read(pipe.first.get(), &byte, 1));
        CPPUNIT_ASSERT_EQUAL(ssize_t{-1}, ::recv(instance.get(), &byte, 1, MSG_DONTWAIT));
    }

    void testAnInstanceThatHoldsItsEndKeepsNobodyFromForgettingTheChannel() {
        DescriptorCloser closer;
        DescriptorCloser::use(&closer);
        addChannel();
        const FileDescriptor instance = find(channel_, 2);
        CPPUNIT_ASSERT_EQUAL(ssize_t{4}, ::send(child_.get(), "body", 4, MSG_DONTWAIT));
        CPPUNIT_ASSERT_EQUAL(ssize_t{4}, ::send(child_.get(), "more", 4, MSG_DONTWAIT));
        std::optional<HeldMemory> held(std::in_place, [end = instance.get()](char *page) {
            static_cast<void>(::recv(end, page, HeldMemory::SIZE, 0));
        });
        registry_->remove(channel_, 0);
        CPPUNIT_ASSERT(!registry_->hasChannels(2));
        held.reset();
        // The rest of the body is dropped then.
        char byte = 0;
        CPPUNIT_ASSERT(eventually([&] { return ::recv(instance.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0; }));
        DescriptorCloser::use(nullptr);
    }

    void testTheChannelsOfASenderAreCounted() {
        addChannel();
        const std::uint32_t other = addSender(*inFlightTable_);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, registry_->count(0));
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, registry_->count(other));
        registry_->remove(channel_, 0);
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, registry_->count(0));
    }

    void testTheChannelsOfAGroupAreCountedOverAllSenders() {
        const std::uint32_t other = addSender(*inFlightTable_);
        registry_->add(FileDescriptor(), 0, 7, ChannelSecret::random());
        const ChannelId second = registry_->add(FileDescriptor(), other, 7, ChannelSecret::random());
        registry_->add(FileDescriptor(), other, 8, ChannelSecret::random());
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, registry_->countOfGroup(7));
        registry_->remove(second, other);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, registry_->countOfGroup(7));
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, registry_->countOfGroup(9));
    }

    void testOneSenderCannotHaveAllChannels() {
        const std::uint32_t greedy = addSender(*inFlightTable_);
        const InFlightTable otherTable;
        const std::uint32_t other = addSender(otherTable);
        ChannelId last;
        for (std::uint32_t i = 0; i < ChildLimits().channels; i++) {
            last = registry_->add(FileDescriptor(), greedy, 2, ChannelSecret::random());
        }
        const auto refusal =
            thrownBy<IOException>([&] { registry_->add(FileDescriptor(), greedy, 2, ChannelSecret::random()); });
        CPPUNIT_ASSERT_EQUAL(
            std::string("the child has 4096 reply channels already; PassengerMaxChildChannels allows no more"),
            std::string(refusal.what()));
        registry_->add(FileDescriptor(), other, 2, ChannelSecret::random());
        registry_->remove(last, greedy);
        registry_->add(FileDescriptor(), greedy, 2, ChannelSecret::random());
        registry_->removeSender(greedy);
        CPPUNIT_ASSERT_EQUAL(greedy, addSender(*inFlightTable_));
        registry_->add(FileDescriptor(), greedy, 2, ChannelSecret::random());
    }

    void testOneSenderCannotKeepAllApplicationsInUse() {
        const std::uint32_t greedy = addSender(*inFlightTable_);
        ChannelId last;
        for (std::uint32_t group = 0; group < ChildLimits().apps; group++) {
            CPPUNIT_ASSERT(!registry_->hasChannels(group));
            last = registry_->add(FileDescriptor(), greedy, group, ChannelSecret::random());
            CPPUNIT_ASSERT(registry_->hasChannels(group));
        }
        CPPUNIT_ASSERT_THROW(registry_->add(FileDescriptor(), greedy, ChildLimits().apps, ChannelSecret::random()),
                             IOException);
        registry_->add(FileDescriptor(), greedy, 0, ChannelSecret::random());
        registry_->remove(last, greedy);
        registry_->add(FileDescriptor(), greedy, ChildLimits().apps, ChannelSecret::random());
    }

    void testLowerLimitsCountForFurtherChannels() {
        const std::uint32_t child = addSender(*inFlightTable_);
        registry_->add(FileDescriptor(), child, 2, ChannelSecret::random());
        const ChannelId second = registry_->add(FileDescriptor(), child, 3, ChannelSecret::random());
        registry_->setLimits({.channels = 1});
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, registry_->count(child));
        CPPUNIT_ASSERT_THROW(registry_->add(FileDescriptor(), child, 2, ChannelSecret::random()), ChildLimitReached);
        registry_->setLimits({.apps = 1});
        const auto reached =
            thrownBy<ChildLimitReached>([&] { registry_->add(FileDescriptor(), child, 4, ChannelSecret::random()); });
        CPPUNIT_ASSERT(reached.limit() == ChildLimitReached::Limit::APPS);
        CPPUNIT_ASSERT_EQUAL(
            std::string("the child has reply channels of 1 applications already; PassengerMaxChildApps allows no more"),
            std::string(reached.what()));
        registry_->remove(second, child);
        registry_->add(FileDescriptor(), child, 2, ChannelSecret::random());
    }

    void testASenderThatHasEndedGetsNoChannel() {
        const std::uint32_t child = addSender(*inFlightTable_);
        registry_->removeSender(child);
        thrownBy<IOException>([&] { registry_->add(FileDescriptor(), child, 2, ChannelSecret::random()); });
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ChannelRegistryTest);

}  // namespace Passenger
