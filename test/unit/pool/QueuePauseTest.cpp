#include "pool/QueuePause.h"

#include <cppunit/extensions/HelperMacros.h>

#include <optional>

#include "shm/GenerationTableView.h"
#include "support/GroupParts.h"

namespace Passenger {

using std::chrono::seconds;

class QueuePauseTest : public GroupParts {
    CPPUNIT_TEST_SUITE(QueuePauseTest);
    CPPUNIT_TEST(testInstancesThatStayTakeNoRequestDuringAPause);
    CPPUNIT_TEST(testAPauseEndsAtItsDate);
    CPPUNIT_TEST(testChildrenAreToldOfThePause);
    CPPUNIT_TEST(testAnInstanceThatComesMeanwhileFollowsThePause);
    CPPUNIT_TEST_SUITE_END();

    std::optional<QueuePause> pause_;

    MonotonicTime told() {
        return GenerationTableView(channels_->generations().memory().readOnlyDescriptor()).pausedUntil(queue_->slot());
    }

public:
    void setUp() override {
        GroupParts::setUp();
        makeQueue();
        pause_.emplace(*pauses_, clock_, *queue_, *instances_);
    }

    void testInstancesThatStayTakeNoRequestDuringAPause() {
        const ProcessPtr serving = serve();
        const ProcessPtr ending = serve();
        instances_->retire(ending);
        pause_->end("there is no pause");
        pause_->begin(now() + seconds(60));
        CPPUNIT_ASSERT(pause_->until() == now() + seconds(60));
        CPPUNIT_ASSERT(log_->contains("event=queue.paused app=\"blog\" limit=60s"));
        CPPUNIT_ASSERT(serving->pause().isOn());
        CPPUNIT_ASSERT(!ending->pause().isOn());
        pause_->begin(now() + seconds(90));
        CPPUNIT_ASSERT(pause_->until() == now() + seconds(90));
        send(Ticket(1));
        pause_->end("it was ordered");
        CPPUNIT_ASSERT(!pause_->until());
        CPPUNIT_ASSERT(!serving->pause().isOn());
        CPPUNIT_ASSERT(log_->contains("event=queue.resumed app=\"blog\" waiting=1 reason=\"it was ordered\""));
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=queue.resumed"));
    }

    void testAPauseEndsAtItsDate() {
        pause_->begin(now() + seconds(60));
        clock_.advance(seconds(59));
        pause_->endIfDue(now());
        CPPUNIT_ASSERT(pause_->until());
        clock_.advance(seconds(1));
        pause_->endIfDue(now());
        CPPUNIT_ASSERT(!pause_->until());
    }

    /** When the pause has ended, requests have waited since then for their instances. */
    void testChildrenAreToldOfThePause() {
        CPPUNIT_ASSERT(told() == MonotonicTime());
        pause_->begin(now() + seconds(60));
        CPPUNIT_ASSERT(told() == MonotonicTime::max());
        // The next pool process makes this object anew.
        queue_->publishPause(MonotonicTime());
        pause_.emplace(*pauses_, clock_, *queue_, *instances_);
        CPPUNIT_ASSERT(told() == MonotonicTime::max());
        clock_.advance(seconds(1));
        pause_->end("it was ordered");
        CPPUNIT_ASSERT(told() == now());
    }

    void testAnInstanceThatComesMeanwhileFollowsThePause() {
        const ProcessPtr serving = make();
        const ProcessPtr standby = make();
        standby->lifecycle().standBy();
        standby->pause().served(true);
        pause_->begin(now() + seconds(60));
        pause_->apply(*serving);
        CPPUNIT_ASSERT(serving->pause().isOn());
        pause_->end("it was ordered");
        pause_->apply(*serving);
        CPPUNIT_ASSERT(!serving->pause().isOn());
        pause_->apply(*standby);
        CPPUNIT_ASSERT_MESSAGE("It does not serve yet", standby->pause().isOn());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(QueuePauseTest);

}  // namespace Passenger
