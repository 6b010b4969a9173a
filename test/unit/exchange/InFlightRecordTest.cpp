#include "exchange/InFlightRecord.h"

#include <cppunit/extensions/HelperMacros.h>

#include <deque>
#include <string_view>

#include "support/FakeHost.h"
#include "support/LeakCheck.h"

namespace Passenger {

using namespace std::chrono_literals;

class InFlightRecordTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(InFlightRecordTest);
    CPPUNIT_TEST(testARequestIsCountedAndInTheTableUntilItIsRemoved);
    CPPUNIT_TEST(testARefusedRequestIsNotInFlight);
    CPPUNIT_TEST(testInstancesThatTakeEverythingLeaveThreadsToOthers);
    CPPUNIT_TEST(testAnAdmittedRequestKeepsItsPlace);
    CPPUNIT_TEST(testARequestCountsForItsKeyUntilItIsRemoved);
    CPPUNIT_TEST(testAKeyThatHasItsShareIsRefusedAndOthersAreNot);
    CPPUNIT_TEST(testAnAdmittedRequestOfAKeyKeepsItsPlace);
    CPPUNIT_TEST(testARefusalForTheShareIsCountedAsOne);
    CPPUNIT_TEST(testThoseOfHighPriorityLeaveAPlaceToOthers);
    CPPUNIT_TEST(testTheAgentIsWokenOnceWhenAllInstancesAreTaken);
    CPPUNIT_TEST(testTheAgentIsWokenForARefusalByTheTarget);
    CPPUNIT_TEST(testAShortWaitOfARequestThatOvertakesOthersIsNoneOfTheirs);
    CPPUNIT_TEST(testAWaitForTheEndOfAPauseIsNoSignOfAnOverload);
    CPPUNIT_TEST_SUITE_END();

    std::shared_ptr<FakeHost> host_;
    QueueLinkPtr link_;
    std::unique_ptr<ReplyChannel> channel_;
    std::unique_ptr<InFlightRecord> record_;

    void add(InFlightRecord &record, std::string_view key = "") {
        MessageRequest request;
        if (!key.empty()) {
            request.fairnessHash = [key](const FairnessKey::Secret &secret) { return hashOf(key, secret); };
        }
        record.add(*link_, *channel_, channel_->nextTicket(), request, ExchangeTimes(*host_, host_->options));
    }
    static std::uint64_t hashOf(std::string_view text, const FairnessKey::Secret &secret) {
        return std::hash<std::string>()(std::string(secret.begin(), secret.end()).append(text));
    }
    FairnessKey keyOf(std::string_view text) const { return FairnessKey(hashOf(text, host_->generations().secret())); }
    /** Requests of this key in other exchanges. */
    void haveInFlight(std::string_view key, int count) {
        for (int i = 0; i < count; i++) {
            link_->memory->senders.add(0, keyOf(key));
            link_->memory->senders.add(0, 1);
        }
    }
    /** The request is to wait for 15 ms: only an overload is a reason to refuse it. */
    bool isOverloaded() {
        const QueueDelay::Load load{15, 1, QueueDelay::ANSWERS, 16ms};
        return !host_->queueDelay().mayWait(load, 10ms, 10ms, host_->clock().now());
    }
    unsigned inFlight(std::string_view key) const { return link_->memory->senders.inFlight(keyOf(key), 1); }

public:
    void setUp() override {
        LeakCheck::setUp();
        host_ = std::make_shared<FakeHost>();
        link_ = host_->link(host_->options, Generation());
        channel_ = host_->takeChannel(*link_);
        record_ = std::make_unique<InFlightRecord>(*host_, host_->options);
    }

    void tearDown() override {
        record_.reset();
        host_->giveBack(std::move(channel_), false);
        link_.reset();
        host_.reset();
        LeakCheck::tearDown();
    }

    void testARequestIsCountedAndInTheTableUntilItIsRemoved() {
        add(*record_);
        record_->sent(*link_);
        CPPUNIT_ASSERT(record_->counted());
        CPPUNIT_ASSERT_EQUAL(1U, host_->inFlight());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, host_->inFlightEntries());
        record_->remove(*link_);
        record_->remove(*link_);
        CPPUNIT_ASSERT(!record_->counted());
        CPPUNIT_ASSERT_EQUAL(0U, host_->inFlight());
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, host_->inFlightEntries());
    }

    void testARefusedRequestIsNotInFlight() {
        host_->setCapacity(0);
        host_->options.maxQueueSize = 1;
        link_->memory->senders.add(0, 1);
        CPPUNIT_ASSERT_THROW(add(*record_), QueueFullException);
        CPPUNIT_ASSERT(!record_->counted());
        CPPUNIT_ASSERT(!record_->admitted());
        CPPUNIT_ASSERT_EQUAL(1U, host_->inFlight());
    }

    void testInstancesThatTakeEverythingLeaveThreadsToOthers() {
        host_->setCapacity(100);
        host_->options.request.maxInFlight = 2;
        link_->memory->senders.add(0, 1);
        add(*record_);
        record_->remove(*link_);
        link_->memory->senders.add(0, 1);
        InFlightRecord next(*host_, host_->options);
        CPPUNIT_ASSERT_THROW(add(next), QueueFullException);
        // Instances that cannot take so many leave threads anyway.
        host_->setCapacity(2);
        host_->options.request.maxInFlight = 10;
        add(next);
        next.remove(*link_);
    }

    void testAnAdmittedRequestKeepsItsPlace() {
        host_->setCapacity(0);
        host_->options.maxQueueSize = 1;
        add(*record_);
        record_->remove(*link_);
        link_->memory->senders.add(0, 1);
        add(*record_);
        CPPUNIT_ASSERT(record_->counted());
        record_->remove(*link_);
    }

    void testARequestCountsForItsKeyUntilItIsRemoved() {
        add(*record_, "alice");
        CPPUNIT_ASSERT_EQUAL(1U, inFlight("alice"));
        record_->remove(*link_);
        record_->remove(*link_);
        CPPUNIT_ASSERT_EQUAL(0U, inFlight("alice"));
        add(*record_);
        record_->remove(*link_);
        CPPUNIT_ASSERT_EQUAL(0U, inFlight("alice"));
    }

    void testAKeyThatHasItsShareIsRefusedAndOthersAreNot() {
        host_->setCapacity(1);
        host_->options.maxQueueSize = 4;
        haveInFlight("alice", 3);
        CPPUNIT_ASSERT_THROW(add(*record_, "alice"), QueueFullException);
        CPPUNIT_ASSERT_EQUAL(3U, inFlight("alice"));
        CPPUNIT_ASSERT_EQUAL(3U, host_->inFlight());
        for (const char *other : {"bob", ""}) {
            add(*record_, other);
            record_->remove(*link_);
        }
        host_->setCapacity(4);
        add(*record_, "alice");
        record_->remove(*link_);
    }

    void testAnAdmittedRequestOfAKeyKeepsItsPlace() {
        host_->setCapacity(0);
        host_->options.maxQueueSize = 4;
        add(*record_, "alice");
        record_->remove(*link_);
        haveInFlight("alice", 4);
        add(*record_, "alice");
        CPPUNIT_ASSERT_EQUAL(5U, inFlight("alice"));
        record_->remove(*link_);
    }

    void testARefusalForTheShareIsCountedAsOne() {
        host_->setCapacity(0);
        host_->options.maxQueueSize = 4;
        haveInFlight("alice", 3);
        CPPUNIT_ASSERT_THROW(add(*record_, "alice"), QueueFullException);
        record_->countRefused(*link_);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, host_->statistics().overShare);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, host_->statistics().refused);
        haveInFlight("bob", 2);
        CPPUNIT_ASSERT_THROW(add(*record_, "carol"), QueueFullException);
        record_->countRefused(*link_);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, host_->statistics().overShare);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, host_->statistics().refused);
    }

    void testThoseOfHighPriorityLeaveAPlaceToOthers() {
        host_->setCapacity(1);
        host_->options.maxQueueSize = 4;
        Options high = host_->options;
        high.request.priority = Priority::HIGH;
        std::deque<InFlightRecord> records;
        const auto addHigh = [&] { add(records.emplace_back(*host_, high)); };
        for (int i = 0; i < 6; i++) {
            addHigh();
        }
        CPPUNIT_ASSERT_THROW(addHigh(), QueueFullException);
        add(*record_);
        InFlightRecord next(*host_, host_->options);
        CPPUNIT_ASSERT_THROW(add(next), QueueFullException);
        record_->remove(*link_);
        for (InFlightRecord &record : records) {
            record.remove(*link_);
        }
        for (int i = 0; i < 6; i++) {
            link_->memory->senders.add(0, 1);
        }
        CPPUNIT_ASSERT_THROW_MESSAGE("None of high priority is there", add(next), QueueFullException);
    }

    void testTheAgentIsWokenOnceWhenAllInstancesAreTaken() {
        host_->setCapacity(0);
        add(*record_);
        record_->sent(*link_);
        record_->remove(*link_);
        add(*record_);
        record_->sent(*link_);
        record_->remove(*link_);
        CPPUNIT_ASSERT_EQUAL(1U, host_->woken);
    }

    void testTheAgentIsWokenForARefusalByTheTarget() {
        record_->countRefused(*link_);
        CPPUNIT_ASSERT_EQUAL_MESSAGE("The requests in a full queue have woken it", 0U, host_->woken);
        host_->options.queueTarget = 100ms;
        record_->countRefused(*link_);
        record_->countRefused(*link_);
        CPPUNIT_ASSERT_EQUAL(1U, host_->woken);
    }

    void testAShortWaitOfARequestThatOvertakesOthersIsNoneOfTheirs() {
        host_->options.queueTarget = 10ms;
        for (const bool priorityQueue : {false, true}) {
            host_->options.priorityQueue = priorityQueue;
            for (int round = 0; round < 3; round++) {
                host_->options.request.priority = Priority::NORMAL;
                record_->countTimedOut(*link_, 1s);
                host_->options.request.priority = Priority::HIGH;
                record_->countTimedOut(*link_, 1ms);
                host_->advance(1s);
            }
            CPPUNIT_ASSERT_EQUAL(priorityQueue, isOverloaded());
        }
    }

    void testAWaitForTheEndOfAPauseIsNoSignOfAnOverload() {
        host_->options.queueTarget = 10ms;
        for (const bool paused : {true, false}) {
            host_->pause(MonotonicTime::max());
            add(*record_);
            host_->advance(2s);
            host_->pause(paused ? host_->clock().now() : MonotonicTime());
            for (int round = 0; round < 3; round++) {
                record_->countTimedOut(*link_, 2s);
                host_->advance(1s);
            }
            CPPUNIT_ASSERT_EQUAL(!paused, isOverloaded());
            record_->remove(*link_);
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(InFlightRecordTest);

}  // namespace Passenger
