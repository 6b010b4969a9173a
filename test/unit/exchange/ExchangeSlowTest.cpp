#include "exchange/Exchange.h"

#include <cppunit/extensions/HelperMacros.h>

#include <chrono>
#include <string>

#include "support/ExchangeFixture.h"

namespace Passenger {

using namespace std::chrono_literals;

/** Which requests the agent is told to be slow (PassengerSlowRequestLog). */
class ExchangeSlowTest : public ExchangeFixture {
    CPPUNIT_TEST_SUITE(ExchangeSlowTest);
    CPPUNIT_TEST(testASlowRequestIsToldToTheAgentOnceAndGoesOn);
    CPPUNIT_TEST(testARequestThatWaitsForLongIsSlow);
    CPPUNIT_TEST(testARequestWhoseBodyIsNotReadIsSlow);
    CPPUNIT_TEST(testARequestWhoseAnswerHasBegunIsNotSlow);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        ExchangeFixture::setUp();
        host_->options.slowRequestTime = 2s;
        makeExchange();
    }

    void testASlowRequestIsToldToTheAgentOnceAndGoesOn() {
        start();
        host_->claim(host_->take());
        host_->advance(3s);
        CPPUNIT_ASSERT(receive(0ms).endsWith(Kind::TIMED_OUT));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, host_->slow.size());
        CPPUNIT_ASSERT(Ticket(1) == host_->slow.front().second);
        CPPUNIT_ASSERT(host_->overrun.empty());
    }

    void testARequestThatWaitsForLongIsSlow() {
        start();
        host_->advance(3s);
        receive(0ms);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, host_->slow.size());
    }

    void testARequestWhoseBodyIsNotReadIsSlow() {
        host_->options.maxQueueTime = 1s;
        host_->options.maxRequestTime = 200ms;
        MessageRequest request;
        request.bodyFollows = true;
        start(request);
        host_->claim(host_->take());
        host_->advance(3s);
        const std::string body(16 * 1024 * 1024, 'x');
        CPPUNIT_ASSERT(exchange_->sendBody(body, true) < body.size());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, host_->slow.size());
        CPPUNIT_ASSERT(Ticket(1) == host_->slow.front().second);
    }

    void testARequestWhoseAnswerHasBegunIsNotSlow() {
        start();
        host_->claim(host_->take());
        host_->send(MessageType::RESPONSE, 1);
        CPPUNIT_ASSERT(!receive().end);
        host_->advance(3s);
        receive(0ms);
        CPPUNIT_ASSERT(host_->slow.empty());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ExchangeSlowTest);

}  // namespace Passenger
