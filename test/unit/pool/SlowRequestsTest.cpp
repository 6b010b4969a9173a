#include "pool/SlowRequests.h"

#include <cppunit/extensions/HelperMacros.h>

#include "support/GroupParts.h"

namespace Passenger {

using std::chrono::milliseconds;
using std::chrono::seconds;

class SlowRequestsTest : public GroupParts {
    CPPUNIT_TEST_SUITE(SlowRequestsTest);
    CPPUNIT_TEST(testASlowRequestIsLoggedWithItsInstance);
    CPPUNIT_TEST(testARequestThatWaitsIsLoggedWithoutAnInstance);
    CPPUNIT_TEST(testTextsOfClientsCannotForgeFields);
    CPPUNIT_TEST(testARequestThatHasEndedIsNotLogged);
    CPPUNIT_TEST(testTheNumberOfLinesIsLimited);
    CPPUNIT_TEST_SUITE_END();

    std::optional<SlowRequests> slow_;

public:
    void setUp() override {
        GroupParts::setUp();
        slow_.emplace(app_, *queue_, *instances_);
    }

    void testASlowRequestIsLoggedWithItsInstance() {
        const ProcessPtr process = serve();
        send(Ticket(1), {"192.0.2.7", "GET", "a1b2", "/report"});
        claim(*process, channel_, Ticket(1));
        clock_.advance(seconds(3));
        slow_->note(channel_, Ticket(1), milliseconds(2000), now());
        CPPUNIT_ASSERT(log_->contains("event=request.slow app=\"blog\" request=\"a1b2\" pid="));
        CPPUNIT_ASSERT(log_->contains("ms=3000 limit=2000ms method=\"GET\" uri=\"/report\" client=\"192.0.2.7\""));
        CPPUNIT_ASSERT(log_->contains(" pid="));
    }

    void testARequestThatWaitsIsLoggedWithoutAnInstance() {
        send(Ticket(1), {"192.0.2.7", "GET", "", "/"});
        slow_->note(channel_, Ticket(1), milliseconds(2000), now());
        CPPUNIT_ASSERT(log_->contains("reason=\"no instance has taken it\""));
        CPPUNIT_ASSERT(log_->contains("request=\"\" pid=0 "));
    }

    void testTextsOfClientsCannotForgeFields() {
        send(Ticket(1), {"::1", "GET", "", "/\" pid=1 \\"});
        slow_->note(channel_, Ticket(1), milliseconds(2000), now());
        CPPUNIT_ASSERT(log_->contains("uri=\"/\\\" pid=1 \\\\\" client="));
    }

    void testARequestThatHasEndedIsNotLogged() {
        slow_->note(channel_, Ticket(1), milliseconds(2000), now());
        CPPUNIT_ASSERT(!log_->contains("request.slow"));
    }

    void testTheNumberOfLinesIsLimited() {
        send(Ticket(1), {"::1", "GET", "", "/"});
        for (int i = 0; i < 50; i++) {
            slow_->note(channel_, Ticket(1), milliseconds(2000), now());
        }
        CPPUNIT_ASSERT_EQUAL(unsigned{LogLimit::LINES}, log_->count("event=request.slow"));
        clock_.advance(LogLimit::INTERVAL);
        slow_->note(channel_, Ticket(1), milliseconds(2000), now());
        CPPUNIT_ASSERT_EQUAL(unsigned{LogLimit::LINES} + 1, log_->count("event=request.slow"));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SlowRequestsTest);

}  // namespace Passenger
