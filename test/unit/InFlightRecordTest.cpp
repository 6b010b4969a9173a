#include "exchange/InFlightRecord.h"

#include <cppunit/extensions/HelperMacros.h>

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
    CPPUNIT_TEST(testTheAgentIsWokenOnceWhenAllInstancesAreTaken);
    CPPUNIT_TEST_SUITE_END();

    std::shared_ptr<FakeHost> host_;
    QueueLinkPtr link_;
    std::unique_ptr<ReplyChannel> channel_;
    std::unique_ptr<InFlightRecord> record_;

    void add(InFlightRecord &record) {
        record.add(*link_, *channel_, channel_->nextTicket(), {}, ExchangeTimes(*host_));
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        host_ = std::make_shared<FakeHost>();
        link_ = host_->link(Generation());
        channel_ = host_->takeChannel(*link_);
        record_ = std::make_unique<InFlightRecord>(*host_);
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
        host_->queueLimits.size = 1;
        link_->memory->senders.add(0, 1);
        CPPUNIT_ASSERT_THROW(add(*record_), QueueFullException);
        CPPUNIT_ASSERT(!record_->counted());
        CPPUNIT_ASSERT(!record_->admitted());
        CPPUNIT_ASSERT_EQUAL(1U, host_->inFlight());
    }

    void testInstancesThatTakeEverythingLeaveThreadsToOthers() {
        host_->setCapacity(100);
        host_->queueLimits.inFlight = 2;
        link_->memory->senders.add(0, 1);
        add(*record_);
        record_->remove(*link_);
        link_->memory->senders.add(0, 1);
        InFlightRecord next(*host_);
        CPPUNIT_ASSERT_THROW(add(next), QueueFullException);
        // Instances that cannot take so many leave threads anyway.
        host_->setCapacity(2);
        host_->queueLimits.inFlight = 10;
        add(next);
        next.remove(*link_);
    }

    void testAnAdmittedRequestKeepsItsPlace() {
        host_->setCapacity(0);
        host_->queueLimits.size = 1;
        add(*record_);
        record_->remove(*link_);
        link_->memory->senders.add(0, 1);
        add(*record_);
        CPPUNIT_ASSERT(record_->counted());
        record_->remove(*link_);
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
};

CPPUNIT_TEST_SUITE_REGISTRATION(InFlightRecordTest);

}  // namespace Passenger
