// Pool and Group: applications whose instances pull their requests from a line.

#include <cppunit/extensions/HelperMacros.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "exchange/QueueHost.h"
#include "io/RequestQueue.h"
#include "io/Serve.h"
#include "io/SocketPair.h"
#include "shm/GenerationTableView.h"
#include "shm/InFlightReader.h"
#include "shm/InFlightTable.h"
#include "support/CrowdedDescriptors.h"
#include "support/Eventually.h"
#include "support/Expect.h"
#include "support/FakeInstances.h"
#include "support/PoolFixture.h"
#include "support/SpawningFixture.h"

namespace Passenger {

using namespace std::chrono_literals;

class PoolApplicationQueueTest : public PoolFixture {
    CPPUNIT_TEST_SUITE(PoolApplicationQueueTest);
    CPPUNIT_TEST(testAQueueExistsBeforeItsFirstInstance);
    CPPUNIT_TEST(testAnInstanceGetsItsQueueItsCellsAndTheWithdrawalMarks);
    CPPUNIT_TEST(testChildrenSeeTheCapacityOfAnApplication);
    CPPUNIT_TEST(testARequestInTheInFlightTableIsRefusedIfNoInstanceCanBeStarted);
    CPPUNIT_TEST(testARequestInTheInFlightTableIsRefusedWhenThePoolEnds);
    CPPUNIT_TEST(testAWaitingRequestIsRecheckedWhenAnotherPoolReplacesThisPool);
    CPPUNIT_TEST(testARequestForAQueueThatJustFailedIsRefusedWithTheReason);
    CPPUNIT_TEST(testANewRequestMakesAFailedApplicationTryAgain);
    CPPUNIT_TEST(testTheDeathOfAnInstanceIsReportedToItsRequestAndToWaitingRequests);
    CPPUNIT_TEST(testTheDeathOfAnInstanceIsReportedWithinTenMilliseconds);
    CPPUNIT_TEST(testAnInstanceThatSaysUnaskedThatItIsIdleCausesNoRechecks);
    CPPUNIT_TEST(testADeadInstanceIsReplaced);
    CPPUNIT_TEST(testARestartPublishesANewGenerationOnceItsFirstInstanceIsReady);
    CPPUNIT_TEST(testARestartThatFailsKeepsTheOldVersion);
    CPPUNIT_TEST(testAChannelIsGivenToAnInstanceOfItsOwnApplicationOnly);
    CPPUNIT_TEST(testABusyInstanceMayAskForMoreChannelsThanItsSocketHasRoomFor);
    CPPUNIT_TEST(testAnInstanceThatAsksAndReadsNoAnswerIsEnded);
    CPPUNIT_TEST(testARequestIsRecheckedIfItsChannelCannotBeSentToTheInstance);
    CPPUNIT_TEST(testAnInstanceWithoutADescriptorForAChannelIsReplaced);
    CPPUNIT_TEST(testAnInstanceWithoutADescriptorForAChannelTakesNoRequestsIfOthersServe);
    CPPUNIT_TEST(testTheRequestsAndChannelsOfAChildThatEndedAreWithdrawn);
    CPPUNIT_TEST(testABrokenQueueIsReplaced);
    CPPUNIT_TEST(testAQueueThatBreaksRepeatedlyGetsInstancesAfterGrowingDelays);
    CPPUNIT_TEST(testClearClosesTheQueue);
    CPPUNIT_TEST_SUITE_END();

    std::unique_ptr<ApplicationFolder> folder_;
    std::unique_ptr<FakeInstances> instances_;
    std::unique_ptr<InFlightTable> inFlightTable_;
    std::uint32_t sender_ = 0;
    FileDescriptor child_;

    Options options() const {
        Options options = app(folder_->path());
        options.spawnMethod = "smart";
        options.threads = 2;
        options.minInstances = 1;
        return options;
    }
    Attachment attachAndServe() {
        Attachment attachment = pool_->attach(options());
        CPPUNIT_ASSERT(eventuallyCount(1));
        CPPUNIT_ASSERT(instances_->frame(0).type == FrameType::SERVE);
        return attachment;
    }
    Generation published() const {
        return GenerationTableView(channels_->generations().memory().readOnlyDescriptor()).generation(0);
    }
    std::uint32_t capacity() const {
        return GenerationTableView(channels_->generations().memory().readOnlyDescriptor()).instances(0).capacity;
    }
    /** A request of the child, by its channel and the in-flight table. */
    ChannelId addChannel(std::uint32_t groupSlot, std::uint64_t ticket) {
        DescriptorPair pair = makeSeqPacketPair();
        child_ = std::move(pair.first);
        const ChannelId channel = channels_->add(std::move(pair.second), sender_, groupSlot, ChannelSecret::random());
        CPPUNIT_ASSERT(pool_->senders().channelAdded(channel, groupSlot));
        inFlightTable_->sending(inFlightTable_->allocate(), channel, Ticket(ticket), groupSlot, MonotonicTime());
        return channel;
    }
    /** What the child is told next. */
    MessageHeader told() {
        std::string text(MAX_MESSAGE, '\0');
        ssize_t size = 0;
        CPPUNIT_ASSERT(
            eventually([&] { return (size = ::recv(child_.get(), text.data(), text.size(), MSG_DONTWAIT)) > 0; }));
        MessageHeader header;
        std::memcpy(&header, text.data(), sizeof(header));
        return header;
    }
    /** The instance gets the channel without its descriptor. */
    void lose(std::size_t index, ChannelId channel) {
        instances_->send(index, Frame::of(FrameType::FETCH, channel));
        CPPUNIT_ASSERT(instances_->frame(index).type == FrameType::CHANNEL);
        instances_->send(index, Frame::of(FrameType::NO_CHANNEL, channel));
    }
    /** Whether the child is told nothing when the agent has read what the instance has sent. */
    bool toldNothing(std::size_t index) {
        CPPUNIT_ASSERT(eventually([&] { return instances_->wasRead(index); }));
        loop_->runSync([] {});
        char byte = 0;
        return ::recv(child_.get(), &byte, 1, MSG_DONTWAIT) < 0;
    }
    void restart() {
        std::filesystem::create_directory(folder_->path() + "/tmp");
        std::ofstream(folder_->path() + "/tmp/restart.txt").flush();
        pool_->checkRestarts();
    }

public:
    void setUp() override {
        PoolFixture::setUp();
        folder_ = std::make_unique<ApplicationFolder>("");
        instances_ = std::make_unique<FakeInstances>(*loop_, *factory_);
        inFlightTable_ = std::make_unique<InFlightTable>();
        sender_ = channels_->addSender(InFlightReader(inFlightTable_->memory().descriptor().duplicate()));
    }

    void tearDown() override {
        child_.reset();
        factory_->release();
        endPool();
        instances_.reset();
        inFlightTable_.reset();
        folder_.reset();
        PoolFixture::tearDown();
    }

    void testAQueueExistsBeforeItsFirstInstance() {
        factory_->hold();
        const Attachment attachment = pool_->attach(options());
        CPPUNIT_ASSERT(published() == attachment.generation);
        CPPUNIT_ASSERT(RequestQueue::send(attachment.sending.get(), RequestHeader{}, "", "") ==
                       RequestQueue::Outcome::QUEUED);
        CPPUNIT_ASSERT_EQUAL(0U, capacity());
    }

    void testAnInstanceGetsItsQueueItsCellsAndTheWithdrawalMarks() {
        const Attachment attachment = pool_->attach(options());
        Frame serve = instances_->frame(0);
        CPPUNIT_ASSERT(serve.type == FrameType::SERVE);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, Serve::of(serve).cell);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, Serve::of(serve).threads);
        RequestQueue::send(attachment.sending.get(), RequestHeader{}, "", "");
        const FileDescriptor queue = serve.takeDescriptor(0);
        char byte[100];
        CPPUNIT_ASSERT_EQUAL(ssize_t{sizeof(RequestHeader)}, ::recv(queue.get(), byte, sizeof(byte), MSG_DONTWAIT));
        const FileDescriptor senders = serve.takeDescriptor(2);
        CPPUNIT_ASSERT_EQUAL(ssize_t{-1}, ::pwrite(senders.get(), "x", 1, 64));
        CPPUNIT_ASSERT_EQUAL(ssize_t{-1}, ::pwrite(attachment.claims.get(), "x", 1, 64));
    }

    void testChildrenSeeTheCapacityOfAnApplication() {
        attachAndServe();
        CPPUNIT_ASSERT_EQUAL(2U, capacity());
    }

    void testARequestInTheInFlightTableIsRefusedIfNoInstanceCanBeStarted() {
        factory_->hold();
        factory_->failuresToCome = 1;
        addChannel(pool_->attach(options()).groupSlot, 9);
        factory_->release();
        const MessageHeader refusal = told();
        CPPUNIT_ASSERT(refusal.type == MessageType::REFUSED);
        CPPUNIT_ASSERT_EQUAL(std::uint16_t{500}, refusal.status);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{9}, refusal.ticket);
    }

    void testARequestInTheInFlightTableIsRefusedWhenThePoolEnds() {
        factory_->hold();
        const Attachment attachment = pool_->attach(options());
        addChannel(attachment.groupSlot, 9);
        endPool();
        const MessageHeader refusal = told();
        CPPUNIT_ASSERT(refusal.type == MessageType::REFUSED);
        CPPUNIT_ASSERT_EQUAL(std::uint16_t{503}, refusal.status);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{9}, refusal.ticket);
        CPPUNIT_ASSERT(RequestQueue::closed(attachment.sending.get()));
    }

    void testAWaitingRequestIsRecheckedWhenAnotherPoolReplacesThisPool() {
        factory_->hold();
        addChannel(pool_->attach(options()).groupSlot, 9);
        pool_->leave();
        CPPUNIT_ASSERT(told().type == MessageType::RECHECK);
        CPPUNIT_ASSERT(!published());
    }

    void testARequestForAQueueThatJustFailedIsRefusedWithTheReason() {
        factory_->failuresToCome = 1;
        const Attachment attachment = pool_->attach(options());
        CPPUNIT_ASSERT(eventually([&] { return RequestQueue::closed(attachment.sending.get()); }));
        const auto refusal = thrownBy<RefusedException>([&] { pool_->attach(options(), attachment.generation); });
        CPPUNIT_ASSERT_EQUAL(std::uint16_t{500}, refusal.status());
        CPPUNIT_ASSERT_EQUAL(std::string("a failure was ordered"), std::string(refusal.what()));
        CPPUNIT_ASSERT(log_->contains("report=" + refusal.reportId()));
        CPPUNIT_ASSERT_EQUAL(1U, factory_->attempts());
    }

    void testANewRequestMakesAFailedApplicationTryAgain() {
        factory_->failuresToCome = 1;
        const Attachment failed = pool_->attach(options());
        CPPUNIT_ASSERT(eventually([&] { return RequestQueue::closed(failed.sending.get()); }));
        clock_.advance(std::chrono::seconds(1));
        CPPUNIT_ASSERT(attachAndServe().generation != failed.generation);
    }

    void testTheDeathOfAnInstanceIsReportedToItsRequestAndToWaitingRequests() {
        const Attachment attachment = pool_->attach(options());
        Frame serve = instances_->frame(0);
        CPPUNIT_ASSERT(eventuallyCount(1));
        const ChannelId channel = addChannel(attachment.groupSlot, 9);
        const ClaimCell cell{channel.value(), 9};
        const FileDescriptor claims = serve.takeDescriptor(1);
        CPPUNIT_ASSERT(::pwrite(claims.get(), &cell, sizeof(cell), ClaimsLayout::offset(1)) > 0);
        CPPUNIT_ASSERT_EQUAL(1U, pool_->getActive());
        const FileDescriptor claimed = std::move(child_);
        addChannel(attachment.groupSlot, 4);
        instances_->kill(0);
        const MessageHeader recheck = told();
        CPPUNIT_ASSERT(recheck.type == MessageType::RECHECK);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{4}, recheck.ticket);
        child_.reset(::dup(claimed.get()));
        CPPUNIT_ASSERT(told().type == MessageType::LOST);
        CPPUNIT_ASSERT_EQUAL(0U, pool_->getActive());
    }

    void testAnInstanceThatSaysUnaskedThatItIsIdleCausesNoRechecks() {
        const Attachment attachment = attachAndServe();
        addChannel(attachment.groupSlot, 9);
        instances_->send(0, Frame(FrameType::PAUSE, {"1"}));
        CPPUNIT_ASSERT_MESSAGE("An earlier pool process may have asked", told().type == MessageType::RECHECK);
        for (unsigned count = 0; count < 100; count++) {
            instances_->send(0, Frame(FrameType::PAUSE, {std::to_string(count % 2)}));
        }
        for (unsigned turn = 0; turn < 3; turn++) {
            loop_->runSync([] {});
        }
        pollfd entry{child_.get(), POLLIN, 0};
        CPPUNIT_ASSERT_EQUAL(0, ::poll(&entry, 1, 0));
    }

    void testTheDeathOfAnInstanceIsReportedWithinTenMilliseconds() {
        constexpr std::size_t DEATHS = 15;
        const Attachment attachment = attachAndServe();
        addChannel(attachment.groupSlot, 9);
        std::vector<std::chrono::nanoseconds> times;
        for (std::size_t i = 0; i < DEATHS; i++) {
            // Reaped, so dead: what is measured begins with that.
            instances_->kill(i);
            const auto died = std::chrono::steady_clock::now();
            pollfd entry{child_.get(), POLLIN, 0};
            CPPUNIT_ASSERT_EQUAL(1, ::poll(&entry, 1, 60'000));
            times.push_back(std::chrono::steady_clock::now() - died);
            CPPUNIT_ASSERT(told().type == MessageType::RECHECK);
            CPPUNIT_ASSERT(eventually([&] { return instances_->count() == i + 2 && count() == 1; }));
            // Deaths that are far apart are nothing to wait for.
            clock_.advance(200s);
        }
        // The machine may be busy with something else, so the best counts.
        const auto best = *std::min_element(times.begin(), times.end());
        CPPUNIT_ASSERT_MESSAGE("the best is " + std::to_string(best.count()) + " ns", best < 10ms);
    }

    void testADeadInstanceIsReplaced() {
        const Attachment attachment = attachAndServe();
        instances_->kill(0);
        CPPUNIT_ASSERT(eventually([this] { return instances_->count() == 2 && count() == 1; }));
        CPPUNIT_ASSERT(instances_->frame(1).type == FrameType::SERVE);
        CPPUNIT_ASSERT(published() == attachment.generation);
    }

    void testARestartPublishesANewGenerationOnceItsFirstInstanceIsReady() {
        const Attachment old = attachAndServe();
        factory_->hold();
        restart();
        CPPUNIT_ASSERT_MESSAGE("The old version serves meanwhile", published() == old.generation);
        CPPUNIT_ASSERT(!RequestQueue::closed(old.sending.get()));
        factory_->release();
        CPPUNIT_ASSERT(eventually([&] { return published() != old.generation; }));
        CPPUNIT_ASSERT(eventually([&] { return RequestQueue::closed(old.sending.get()); }));
        CPPUNIT_ASSERT(instances_->frame(0).type == FrameType::FINISH);
        CPPUNIT_ASSERT(published() == pool_->attach(options(), old.generation).generation);
    }

    void testARestartThatFailsKeepsTheOldVersion() {
        const Attachment old = attachAndServe();
        factory_->failuresToCome = 1;
        restart();
        CPPUNIT_ASSERT(eventually([this] { return log_->contains("event=deploy.failed"); }));
        CPPUNIT_ASSERT(published() == old.generation);
        CPPUNIT_ASSERT(!RequestQueue::closed(old.sending.get()));
        CPPUNIT_ASSERT(instances_->silent(0));
    }

    void testAChannelIsGivenToAnInstanceOfItsOwnApplicationOnly() {
        const Attachment attachment = attachAndServe();
        const ChannelId ours = addChannel(attachment.groupSlot, 1);
        Options other = options();
        other.appGroupName = "other";
        const ChannelId theirs = addChannel(pool_->attach(other).groupSlot, 1);
        for (const ChannelId channel : {ours, theirs}) {
            Frame fetch(FrameType::FETCH);
            fetch.add(channel.value());
            instances_->send(0, fetch);
        }
        Frame answer = instances_->frame(0);
        CPPUNIT_ASSERT(answer.type == FrameType::CHANNEL);
        CPPUNIT_ASSERT_EQUAL(ours.value(), answer.number(0));
        CPPUNIT_ASSERT(answer.takeDescriptor(0));
        answer = instances_->frame(0);
        CPPUNIT_ASSERT(answer.type == FrameType::NO_CHANNEL);
        CPPUNIT_ASSERT_EQUAL(theirs.value(), answer.number(0));
    }

    void testABusyInstanceMayAskForMoreChannelsThanItsSocketHasRoomFor() {
        const Attachment attachment = attachAndServe();
        Frame fetch(FrameType::FETCH);
        fetch.add(addChannel(attachment.groupSlot, 1).value());
        constexpr int MANY = 900;
        for (int i = 0; i < MANY; i++) {
            instances_->send(0, fetch);
        }
        for (int i = 0; i < MANY; i++) {
            CPPUNIT_ASSERT(instances_->frame(0).type == FrameType::CHANNEL);
        }
        CPPUNIT_ASSERT(!log_->contains("event=instance.control"));
    }

    void testAnInstanceThatAsksAndReadsNoAnswerIsEnded() {
        const Attachment attachment = attachAndServe();
        Frame fetch(FrameType::FETCH);
        fetch.add(addChannel(attachment.groupSlot, 1).value());
        CPPUNIT_ASSERT(eventually([&] {
            try {
                instances_->send(0, fetch);
            } catch (const SystemException &) {
                // The agent has just ended the instance.
            }
            return log_->contains("reads no answer");
        }));
    }

    void testARequestIsRecheckedIfItsChannelCannotBeSentToTheInstance() {
        const Attachment attachment = attachAndServe();
        Frame fetch(FrameType::FETCH);
        fetch.add(addChannel(attachment.groupSlot, 1).value());
        std::optional<CrowdedDescriptors> crowd;
        loop_->runSync([&] { crowd.emplace(); });
        instances_->send(0, fetch);
        CPPUNIT_ASSERT(instances_->frame(0).type == FrameType::NO_CHANNEL);
        CPPUNIT_ASSERT(told().type == MessageType::RECHECK);
        loop_->runSync([&] { crowd.reset(); });
        instances_->send(0, fetch);
        CPPUNIT_ASSERT(instances_->frame(0).type == FrameType::CHANNEL);
        CPPUNIT_ASSERT_EQUAL(1U, count());
    }

    void testAnInstanceWithoutADescriptorForAChannelIsReplaced() {
        const ChannelId channel = addChannel(attachAndServe().groupSlot, 1);
        instances_->send(0, Frame::of(FrameType::NO_CHANNEL, channel));
        CPPUNIT_ASSERT_MESSAGE("It was not given the channel", toldNothing(0));
        lose(0, channel);
        CPPUNIT_ASSERT(told().type == MessageType::RECHECK);
        CPPUNIT_ASSERT(instances_->frame(0).type == FrameType::FINISH);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, instances_->count());
        lose(0, channel);
        CPPUNIT_ASSERT_MESSAGE("Children are told ten times a second at most", toldNothing(0));
        clock_.advance(100ms);
        lose(0, channel);
        CPPUNIT_ASSERT(told().type == MessageType::RECHECK);
    }

    void testAnInstanceWithoutADescriptorForAChannelTakesNoRequestsIfOthersServe() {
        Options two = options();
        two.minInstances = 2;
        const Attachment attachment = pool_->attach(two);
        for (const std::size_t index : {0U, 1U}) {
            CPPUNIT_ASSERT(instances_->frame(index).type == FrameType::SERVE);
        }
        CPPUNIT_ASSERT(eventually([this] { return capacity() == 4; }));
        const ChannelId channel = addChannel(attachment.groupSlot, 1);
        factory_->hold();
        lose(0, channel);
        CPPUNIT_ASSERT(told().type == MessageType::RECHECK);
        CPPUNIT_ASSERT(instances_->frame(0).type == FrameType::FINISH);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, pool_->inspect().groups[0].counters.replaced);
        factory_->waitUntilHeld(1);
        lose(1, channel);
        CPPUNIT_ASSERT(toldNothing(1));
        CPPUNIT_ASSERT_MESSAGE("The last one serves until its successor does", instances_->silent(1));
        factory_->release();
        CPPUNIT_ASSERT(instances_->frame(1).type == FrameType::FINISH);
    }

    void testTheRequestsAndChannelsOfAChildThatEndedAreWithdrawn() {
        const Attachment attachment = attachAndServe();
        SenderMemoryView senders(attachment.senders);
        senders.add(sender_, 1);
        const ChannelId channel = addChannel(attachment.groupSlot, 9);
        Frame fetch(FrameType::FETCH);
        fetch.add(channel.value());
        instances_->send(0, fetch);
        CPPUNIT_ASSERT(instances_->frame(0).type == FrameType::CHANNEL);
        pool_->senders().gone(sender_);
        const Frame drop = instances_->frame(0);
        CPPUNIT_ASSERT(drop.type == FrameType::DROP);
        CPPUNIT_ASSERT_EQUAL(channel.value(), drop.number(0));
        std::uint64_t mark = 0;
        CPPUNIT_ASSERT(
            ::pread(attachment.senders.get(), &mark, sizeof(mark), SenderMemoryLayout::mark(channel.value())) > 0);
        CPPUNIT_ASSERT(SenderMemoryLayout::withdraws(mark, channel.value(), UINT32_MAX));
        CPPUNIT_ASSERT_EQUAL(1U, senders.add(0, 1));
    }

    void testABrokenQueueIsReplaced() {
        const Attachment attachment = attachAndServe();
        ::shutdown(attachment.sending.get(), SHUT_WR);
        const Attachment next = pool_->attach(options(), attachment.generation);
        CPPUNIT_ASSERT(next.generation != attachment.generation);
        CPPUNIT_ASSERT(!RequestQueue::closed(next.sending.get()));
        CPPUNIT_ASSERT(log_->contains("event=queue.broken"));
        CPPUNIT_ASSERT(eventually([this] { return instances_->count() == 2; }));
    }

    void testAQueueThatBreaksRepeatedlyGetsInstancesAfterGrowingDelays() {
        Attachment attachment = attachAndServe();
        std::size_t made = 1;
        // The first time nothing is delayed.
        for (const auto delay : {0ms, 500ms, 1000ms, 2000ms}) {
            ::shutdown(attachment.sending.get(), SHUT_WR);
            const Attachment next = pool_->attach(options(), attachment.generation);
            CPPUNIT_ASSERT_MESSAGE("Requests can wait in the new one", published() == next.generation);
            CPPUNIT_ASSERT(next.generation != attachment.generation);
            instances_->kill(made - 1);
            if (delay > 0ms) {
                CPPUNIT_ASSERT(eventuallyCount(0));
                clock_.advance(delay - 1ms);
                upkeep();
                CPPUNIT_ASSERT_EQUAL(static_cast<unsigned>(made), factory_->attempts());
                clock_.advance(1ms);
                upkeep();
            }
            made++;
            CPPUNIT_ASSERT(eventually([&] { return instances_->count() == made && count() == 1; }));
            CPPUNIT_ASSERT(instances_->frame(made - 1).type == FrameType::SERVE);
            attachment = pool_->attach(options());
        }
    }

    void testClearClosesTheQueue() {
        const Attachment attachment = attachAndServe();
        pool_->clear();
        CPPUNIT_ASSERT(!published());
        CPPUNIT_ASSERT(RequestQueue::closed(attachment.sending.get()));
        CPPUNIT_ASSERT(instances_->frame(0).type == FrameType::FINISH);
        instances_->kill(0);
        CPPUNIT_ASSERT(eventuallyCount(0));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolApplicationQueueTest);

}  // namespace Passenger
