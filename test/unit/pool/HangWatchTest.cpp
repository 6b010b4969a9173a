#include "pool/HangWatch.h"

#include <cppunit/extensions/HelperMacros.h>

#include <csignal>
#include <memory>
#include <vector>

#include "pool/DrainLimit.h"
#include "pool/FormerClaims.h"
#include "pool/InstanceStore.h"
#include "rights/OwnRights.h"
#include "support/GroupParts.h"

namespace Passenger {

using std::chrono::seconds;

class HangWatchTest : public GroupParts {
    CPPUNIT_TEST_SUITE(HangWatchTest);
    CPPUNIT_TEST(testARequestWithoutASenderIsOverdueAfterTheLimit);
    CPPUNIT_TEST(testTheLongestTimeOfThePlacesCounts);
    CPPUNIT_TEST(testARequestThatEndsIsNotOverdue);
    CPPUNIT_TEST(testARequestOfAnEarlierPoolProcessIsOverdueUnlessItsSenderWaits);
    CPPUNIT_TEST(testAHungInstanceIsKilledAMomentLater);
    CPPUNIT_TEST(testAnInstanceThatDoesNotFinishIsKilledUntilItEnds);
    CPPUNIT_TEST(testASilentInstanceIsToldOnce);
    CPPUNIT_TEST(testALongerTimeIsOverWithTheInstancesThatHadIt);
    CPPUNIT_TEST(testAnInstanceThatEndedIsNotExpectedToGiveSignsOfLife);
    CPPUNIT_TEST_SUITE_END();

    std::optional<HangWatch> hangs_;

    ProcessPtr watched() {
        ProcessPtr process = serve();
        hangs_->add(*process, options_, now());
        return process;
    }

    /** An earlier pool process had it, and it works at a request of then. */
    ProcessPtr adoptedBusy() {
        auto former = std::make_shared<FormerClaims>();
        const CellRange cells = queue_->cells().allocate(1).value();
        former->add({queue_->cells().claims().memory().descriptor().duplicate(), cells});
        Orphan orphan;
        orphan.claims = former;
        auto process = std::make_shared<Process>(SpawnResult{}, orphan, InstanceId(++lastId_), 1, now());
        process->give({1, Generation(), cells});
        claim(*process, channel_, Ticket(1));
        instances_->add(process);
        hangs_->add(*process, options_, now());
        return process;
    }

public:
    void setUp() override {
        GroupParts::setUp();
        hangs_.emplace(app_, options_, *queue_, *instances_);
    }
    void tearDown() override {
        Rights::use(nullptr);
        GroupParts::tearDown();
    }

    void testARequestWithoutASenderIsOverdueAfterTheLimit() {
        hangs_->noteLimit(seconds(5));
        const ProcessPtr process = watched();
        claim(*process, channel_, Ticket(1));
        CPPUNIT_ASSERT(queue_->abandoned().note({channel_}, now()));
        CPPUNIT_ASSERT(hangs_->next() == now() + seconds(5));
        CPPUNIT_ASSERT(hangs_->overdue(now()).empty());
        clock_.advance(seconds(5));
        CPPUNIT_ASSERT(hangs_->overdue(now()) == std::vector<ProcessPtr>{process});
    }

    void testTheLongestTimeOfThePlacesCounts() {
        hangs_->noteLimit(seconds(1800));
        hangs_->noteLimit(seconds(10));
        CPPUNIT_ASSERT(hangs_->limit() == seconds(1800));
        const ProcessPtr process = watched();
        claim(*process, channel_, Ticket(1));
        CPPUNIT_ASSERT(queue_->abandoned().note({channel_}, now()));
        clock_.advance(seconds(1799));
        CPPUNIT_ASSERT(hangs_->overdue(now()).empty());
        clock_.advance(seconds(1));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, hangs_->overdue(now()).size());
        hangs_->noteLimit(seconds(0));
        hangs_->noteLimit(seconds(10));
        CPPUNIT_ASSERT_MESSAGE("One place has none", hangs_->overdue(now()).empty());
        hangs_->forgetLimits();
        hangs_->noteLimit(seconds(10));
        CPPUNIT_ASSERT(hangs_->limit() == seconds(10));
    }

    void testARequestThatEndsIsNotOverdue() {
        hangs_->noteLimit(seconds(5));
        const ProcessPtr process = watched();
        claim(*process, channel_, Ticket(1));
        queue_->abandoned().note({channel_}, now());
        finish(*process);
        clock_.advance(seconds(5));
        CPPUNIT_ASSERT(hangs_->overdue(now()).empty());
        CPPUNIT_ASSERT(!hangs_->next());
    }

    void testARequestOfAnEarlierPoolProcessIsOverdueUnlessItsSenderWaits() {
        hangs_->noteLimit(seconds(5));
        const ProcessPtr process = adoptedBusy();
        send(Ticket(1));
        CPPUNIT_ASSERT(hangs_->next() == now() + seconds(5));
        for (int i = 0; i < 10; i++) {
            clock_.advance(seconds(5));
            CPPUNIT_ASSERT(hangs_->overdue(now()).empty());
            CPPUNIT_ASSERT(hangs_->next() > now());
        }
        table_->done(0);
        clock_.advance(seconds(5));
        CPPUNIT_ASSERT(hangs_->overdue(now()) == std::vector<ProcessPtr>{process});
        finish(*process);
        CPPUNIT_ASSERT(hangs_->overdue(now()).empty());
    }

    void testAHungInstanceIsKilledAMomentLater() {
        const ProcessPtr process = watched();
        CPPUNIT_ASSERT(hangs_->noteHang(*process, seconds(5), now()));
        CPPUNIT_ASSERT(!hangs_->noteHang(*process, seconds(5), now()));
        CPPUNIT_ASSERT(log_->contains("event=instance.hung app=\"blog\""));
        hangs_->killHung(now());
        CPPUNIT_ASSERT(!process->killed());
        clock_.advance(seconds(1));
        hangs_->killHung(now());
        CPPUNIT_ASSERT(process->killed());
        CPPUNIT_ASSERT(!hangs_->next());
    }

    void testAnInstanceThatDoesNotFinishIsKilledUntilItEnds() {
        static class LosingRights final : public OwnRights {
        public:
            bool signal(const FileDescriptor & /*pidFd*/, int number) override {
                sent += number == SIGKILL;
                return true;
            }
            unsigned sent = 0;
        } rights;
        SpawnResult result;
        result.pid = 4711;
        result.pidFd = makePipe().first;
        const auto process =
            std::make_shared<Process>(std::move(result), InstanceId(++lastId_), 1, now(), Process::Start());
        process->give({1, Generation(), queue_->cells().allocate(1).value()});
        process->lifecycle().drain(now());
        instances_->add(process);
        clock_.advance(DRAIN_LIMIT + options_.stopTimeout);
        Rights::use(&rights);
        hangs_->killUnfinished(now());
        CPPUNIT_ASSERT_EQUAL(0U, rights.sent);
        clock_.advance(std::chrono::nanoseconds(1));
        hangs_->killUnfinished(now());
        hangs_->killUnfinished(now());
        CPPUNIT_ASSERT_EQUAL(2U, rights.sent);
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=instance.killed"));
    }

    void testASilentInstanceIsToldOnce() {
        options_.heartbeatTimeout = seconds(4);
        const ProcessPtr silent = watched();
        const ProcessPtr alive = watched();
        std::vector<ProcessPtr> told;
        for (int i = 0; i < 10; i++) {
            clock_.advance(seconds(1));
            hangs_->noteHeartbeat(alive->id(), now());
            const std::vector<ProcessPtr> now = hangs_->silent(clock_.now());
            told.insert(told.end(), now.begin(), now.end());
        }
        CPPUNIT_ASSERT(told == std::vector<ProcessPtr>{silent});
        CPPUNIT_ASSERT(log_->contains("event=instance.heartbeat_lost app=\"blog\""));
    }

    void testALongerTimeIsOverWithTheInstancesThatHadIt() {
        options_.heartbeatTimeout = seconds(600);
        const ProcessPtr old = watched();
        options_.heartbeatTimeout = seconds(4);
        const ProcessPtr silent = watched();
        instances_->remove(old);
        hangs_->remove(old->id());
        bool told = false;
        for (int i = 0; i < 6; i++) {
            clock_.advance(seconds(1));
            told = told || hangs_->silent(now()) == std::vector<ProcessPtr>{silent};
        }
        CPPUNIT_ASSERT(told);
    }

    void testAnInstanceThatEndedIsNotExpectedToGiveSignsOfLife() {
        options_.heartbeatTimeout = seconds(4);
        const ProcessPtr process = watched();
        CPPUNIT_ASSERT(hangs_->next());
        instances_->remove(process);
        hangs_->remove(process->id());
        CPPUNIT_ASSERT(!hangs_->next());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(HangWatchTest);

}  // namespace Passenger
