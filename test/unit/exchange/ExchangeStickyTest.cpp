// Exchange: requests for an instance that has a queue of its own.

#include <cppunit/extensions/HelperMacros.h>

#include <future>
#include <thread>

#include "exchange/Exchange.h"
#include "support/ExchangeFixture.h"

namespace Passenger {

using namespace std::chrono_literals;

class ExchangeStickyTest : public ExchangeFixture {
    CPPUNIT_TEST_SUITE(ExchangeStickyTest);
    CPPUNIT_TEST(testARequestGoesToItsInstance);
    CPPUNIT_TEST(testARequestWaitsForItsInstanceWhileTheInstanceIsBusy);
    CPPUNIT_TEST(testAWaitingRequestIsInTheInFlightTableAndIsCounted);
    CPPUNIT_TEST(testARequestGoesToTheCommonQueueIfItsInstancesQueueIsClosed);
    CPPUNIT_TEST(testARecheckSendsTheRequestToItsInstanceAgainWhileTheInstanceServes);
    CPPUNIT_TEST(testARecheckSendsTheRequestToTheCommonQueueIfItsInstancesQueueIsClosed);
    CPPUNIT_TEST(testARequestThatItsInstanceHasBegunIsNotSentElsewhere);
    CPPUNIT_TEST(testTheEndOfTheInstanceIsNoticedWithoutAMessage);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        ExchangeFixture::setUp();
        host_->haveInstance();
        makeExchange();
    }

    void testARequestGoesToItsInstance() {
        start();
        CPPUNIT_ASSERT(!host_->hasRequest());
        host_->claim(host_->takeOwn());
        host_->send(MessageType::RESPONSE, 1, "", "hello", true);
        CPPUNIT_ASSERT(!receive(60s).end);
    }

    void testARequestWaitsForItsInstanceWhileTheInstanceIsBusy() {
        start();
        // After a second it looks around.
        auto instance = std::async(std::launch::async, [this] {
            std::this_thread::sleep_for(1200ms);
            host_->send(MessageType::RESPONSE, 1, "", "hello", true);
        });
        CPPUNIT_ASSERT(!receive(60s).end);
        instance.get();
        CPPUNIT_ASSERT(!host_->hasRequest());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, host_->takeOwn().header.ticket);
    }

    void testAWaitingRequestIsInTheInFlightTableAndIsCounted() {
        start();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, host_->inFlightEntries());
        CPPUNIT_ASSERT_EQUAL(1U, host_->inFlight());
    }

    void testARequestGoesToTheCommonQueueIfItsInstancesQueueIsClosed() {
        host_->closeOwnQueue();
        start();
        const FakeHost::Request request = host_->take();
        CPPUNIT_ASSERT_EQUAL(std::uint16_t{1}, request.header.resends);
        CPPUNIT_ASSERT_EQUAL(1U, host_->inFlight());
    }

    void testARecheckSendsTheRequestToItsInstanceAgainWhileTheInstanceServes() {
        start();
        host_->takeOwn();
        host_->send(MessageType::RECHECK, 1);
        CPPUNIT_ASSERT(receive(50ms).endsWith(Kind::TIMED_OUT));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, host_->takeOwn().header.ticket);
        CPPUNIT_ASSERT(!host_->hasRequest());
    }

    void testARecheckSendsTheRequestToTheCommonQueueIfItsInstancesQueueIsClosed() {
        start();
        host_->closeOwnQueue();
        host_->send(MessageType::RECHECK, 1);
        CPPUNIT_ASSERT(receive(50ms).endsWith(Kind::TIMED_OUT));
        // Ticket 2 found the instance's queue closed.
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{3}, host_->take().header.ticket);
        CPPUNIT_ASSERT_MESSAGE("The instance must not run what is left in its queue", host_->mark() >= 1);
    }

    void testARequestThatItsInstanceHasBegunIsNotSentElsewhere() {
        start();
        host_->claim(host_->takeOwn());
        host_->closeOwnQueue();
        host_->send(MessageType::RECHECK, 1);
        host_->send(MessageType::RESPONSE, 1, "", "hello", true);
        CPPUNIT_ASSERT(!receive(60s).end);
        CPPUNIT_ASSERT(!host_->hasRequest());
    }

    void testTheEndOfTheInstanceIsNoticedWithoutAMessage() {
        start();
        host_->closeOwnQueue();
        auto instance = std::async(std::launch::async, [this] { return host_->serveNext(); });
        CPPUNIT_ASSERT(!receive(60s).end);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{3}, instance.get());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ExchangeStickyTest);

}  // namespace Passenger
