// Pool and Group: instances that pull, and can be asked for by name.

#include <cppunit/extensions/HelperMacros.h>
#include <sys/socket.h>

#include <cstring>

#include "io/RequestQueue.h"
#include "io/Serve.h"
#include "io/SocketPair.h"
#include "shm/InFlightReader.h"
#include "shm/InFlightTable.h"
#include "support/Eventually.h"
#include "support/FakeInstances.h"
#include "support/PoolFixture.h"

namespace Passenger {

class PoolStickyTest : public PoolFixture {
    CPPUNIT_TEST_SUITE(PoolStickyTest);
    CPPUNIT_TEST(testAnInstanceGetsAQueueOfItsOwnAndItsStickyId);
    CPPUNIT_TEST(testWithoutStickySessionsAnInstanceGetsNoQueueOfItsOwn);
    CPPUNIT_TEST(testARequestForNoInstanceOrAnUnknownInstanceGetsTheCommonQueue);
    CPPUNIT_TEST(testARequestForAnInstanceThatFinishesIsRechecked);
    CPPUNIT_TEST(testARequestForAnInstanceThatDiesIsRechecked);
    CPPUNIT_TEST(testAnInstanceThatBrokeItsOwnQueueIsNoLongerFound);
    CPPUNIT_TEST(testAllInstancesGetOneQueueForRequestsOfHighPriority);
    CPPUNIT_TEST(testWithoutAPriorityQueueTheRequestGoesToTheCommonOne);
    CPPUNIT_TEST(testANewVersionHasAnotherPriorityQueue);
    CPPUNIT_TEST(testAnInstanceThatBrokeThePriorityQueueLeavesTheCommonOne);
    CPPUNIT_TEST(testWithStickySessionsSwitchedOnInstancesReadThePriorityQueueThatThereIs);
    CPPUNIT_TEST_SUITE_END();

    std::unique_ptr<FakeInstances> instances_;
    std::unique_ptr<InFlightTable> inFlightTable_;
    std::uint32_t stickyId_ = 0;
    std::uint32_t sender_ = 0;
    FileDescriptor child_;

    static Options options(std::uint32_t stickyId = 0) {
        Options options = app();
        options.spawnMethod = "smart";
        options.stickySessions = true;
        options.request.queue = QueueChoice::ofInstance(stickyId);
        return options;
    }
    /** Starts an instance, which gets stickyId_. @return its SERVE */
    Frame serve(const Options &options) {
        pool_->attach(options);
        Frame serve = instances_->frame(0);
        CPPUNIT_ASSERT(serve.type == FrameType::SERVE);
        stickyId_ = Serve::of(serve).stickyId;
        CPPUNIT_ASSERT(eventuallyCount(1));
        return serve;
    }
    /** The options of a request of high priority. */
    static Options priority() {
        Options options = PoolStickyTest::options();
        options.stickySessions = false;
        options.request.queue = QueueChoice::ofHighPriority();
        options.priorityQueue = true;
        return options;
    }
    static bool sends(const FileDescriptor &queue, const FileDescriptor &receiver) {
        char message[100];
        return RequestQueue::send(queue.get(), RequestHeader{}, "", "") == RequestQueue::Outcome::QUEUED &&
               ::recv(receiver.get(), message, sizeof(message), MSG_DONTWAIT) == ssize_t{sizeof(RequestHeader)};
    }
    /** A child that waits for the instance. @return where it has sent its request to */
    FileDescriptor waitForInstance() {
        Attachment attachment = pool_->attach(options(stickyId_));
        CPPUNIT_ASSERT(attachment.ownQueue);
        DescriptorPair pair = makeSeqPacketPair();
        child_ = std::move(pair.first);
        const ChannelId channel =
            channels_->add(std::move(pair.second), sender_, attachment.groupSlot, ChannelSecret::random());
        CPPUNIT_ASSERT(pool_->senders().channelAdded(channel, attachment.groupSlot));
        inFlightTable_->sending(inFlightTable_->allocate(), channel, Ticket(9), attachment.groupSlot, MonotonicTime());
        return std::move(attachment.ownQueue);
    }
    void assertRechecked(const FileDescriptor &queue) {
        MessageHeader header{};
        CPPUNIT_ASSERT(
            eventually([&] { return ::recv(child_.get(), &header, sizeof(header), MSG_DONTWAIT) == sizeof(header); }));
        CPPUNIT_ASSERT(header.type == MessageType::RECHECK);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{9}, header.ticket);
        CPPUNIT_ASSERT_MESSAGE("Before that, so that it is not sent there again", RequestQueue::closed(queue.get()));
    }

public:
    void setUp() override {
        PoolFixture::setUp();
        instances_ = std::make_unique<FakeInstances>(*loop_, *factory_);
        inFlightTable_ = std::make_unique<InFlightTable>();
        sender_ = channels_->addSender(InFlightReader(inFlightTable_->memory().descriptor().duplicate()));
    }

    void tearDown() override {
        child_.reset();
        endPool();
        instances_.reset();
        inFlightTable_.reset();
        PoolFixture::tearDown();
    }

    void testAnInstanceGetsAQueueOfItsOwnAndItsStickyId() {
        Frame frame = serve(options());
        CPPUNIT_ASSERT_EQUAL(std::size_t{4}, frame.descriptors.size());
        CPPUNIT_ASSERT(stickyId_ != 0);
        const Attachment attachment = pool_->attach(options(stickyId_));
        RequestQueue::send(attachment.ownQueue.get(), RequestHeader{}, "", "");
        const FileDescriptor own = frame.takeDescriptor(3);
        char message[100];
        CPPUNIT_ASSERT_EQUAL(ssize_t{sizeof(RequestHeader)}, ::recv(own.get(), message, sizeof(message), MSG_DONTWAIT));
    }

    void testWithoutStickySessionsAnInstanceGetsNoQueueOfItsOwn() {
        Options off = options();
        off.stickySessions = false;
        const Frame frame = serve(off);
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, frame.descriptors.size());
        CPPUNIT_ASSERT_EQUAL(0U, Serve::of(frame).stickyId);
        off.request.queue = QueueChoice::ofInstance(4711);
        CPPUNIT_ASSERT(!pool_->attach(off).ownQueue);
    }

    void testARequestForNoInstanceOrAnUnknownInstanceGetsTheCommonQueue() {
        serve(options());
        CPPUNIT_ASSERT(!pool_->attach(options()).ownQueue);
        CPPUNIT_ASSERT(!pool_->attach(options(stickyId_ + 1)).ownQueue);
    }

    void testARequestForAnInstanceThatFinishesIsRechecked() {
        serve(options());
        const FileDescriptor queue = waitForInstance();
        CPPUNIT_ASSERT(pool_->detach(pool_->inspect().groups.at(0).processes.at(0).id));
        assertRechecked(queue);
        CPPUNIT_ASSERT(instances_->frame(0).type == FrameType::FINISH);
        CPPUNIT_ASSERT(!pool_->attach(options(stickyId_)).ownQueue);
    }

    void testARequestForAnInstanceThatDiesIsRechecked() {
        // As a process that the instance has forked may, it keeps the receiving end open.
        const Frame frame = serve(options());
        const FileDescriptor queue = waitForInstance();
        instances_->kill(0);
        assertRechecked(queue);
    }

    void testAnInstanceThatBrokeItsOwnQueueIsNoLongerFound() {
        Frame frame = serve(options());
        ::shutdown(frame.takeDescriptor(3).get(), SHUT_RD);
        CPPUNIT_ASSERT(!pool_->attach(options(stickyId_)).ownQueue);
    }

    void testAllInstancesGetOneQueueForRequestsOfHighPriority() {
        Options two = priority();
        two.minInstances = 2;
        two.request.queue = QueueChoice();
        pool_->attach(two);
        CPPUNIT_ASSERT(eventuallyCount(2));
        Frame first = instances_->frame(0);
        Frame second = instances_->frame(1);
        CPPUNIT_ASSERT(first.type == FrameType::SERVE && second.type == FrameType::SERVE);
        CPPUNIT_ASSERT(!pool_->attach(two).ownQueue);
        const FileDescriptor queue = std::move(pool_->attach(priority()).ownQueue);
        for (Frame *frame : {&first, &second}) {
            CPPUNIT_ASSERT_EQUAL(std::size_t{4}, frame->descriptors.size());
            CPPUNIT_ASSERT(sends(queue, frame->takeDescriptor(3)));
        }
    }

    void testWithoutAPriorityQueueTheRequestGoesToTheCommonOne() {
        Options before = priority();
        before.priorityQueue = false;
        Frame frame = serve(before);
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, frame.descriptors.size());
        CPPUNIT_ASSERT(!pool_->attach(before).ownQueue);
        CPPUNIT_ASSERT(sends(pool_->attach(priority()).ownQueue, frame.takeDescriptor(0)));
    }

    void testANewVersionHasAnotherPriorityQueue() {
        Options direct = priority();
        direct.rollingRestarts = false;
        Frame frame = serve(direct);
        const FileDescriptor old = std::move(pool_->attach(direct).ownQueue);
        CPPUNIT_ASSERT(sends(old, frame.takeDescriptor(3)));
        CPPUNIT_ASSERT(pool_->restart(direct.groupName()));
        CPPUNIT_ASSERT(RequestQueue::closed(old.get()));
        CPPUNIT_ASSERT(!RequestQueue::closed(pool_->attach(direct).ownQueue.get()));
    }

    void testAnInstanceThatBrokeThePriorityQueueLeavesTheCommonOne() {
        Frame frame = serve(priority());
        ::shutdown(frame.takeDescriptor(3).get(), SHUT_RD);
        CPPUNIT_ASSERT(sends(pool_->attach(priority()).ownQueue, frame.takeDescriptor(0)));
    }

    /** A request that waits there would have no instance otherwise. */
    void testWithStickySessionsSwitchedOnInstancesReadThePriorityQueueThatThereIs() {
        serve(priority());
        Options sticky = options();
        sticky.minInstances = 2;
        pool_->attach(sticky);
        CPPUNIT_ASSERT(eventuallyCount(2));
        Frame second = instances_->frame(1);
        CPPUNIT_ASSERT(second.type == FrameType::SERVE);
        CPPUNIT_ASSERT(sends(pool_->attach(priority()).ownQueue, second.takeDescriptor(3)));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolStickyTest);

}  // namespace Passenger
