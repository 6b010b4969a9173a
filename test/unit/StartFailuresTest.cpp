#include "pool/StartFailures.h"

#include <cppunit/extensions/HelperMacros.h>

#include "base/Exceptions.h"
#include "support/CapturedLog.h"
#include "support/ManualClock.h"

namespace Passenger {

class StartFailuresTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(StartFailuresTest);
    CPPUNIT_TEST(testAfterAFailureOneInstanceStartsAtATime);
    CPPUNIT_TEST(testAReportedFailureGetsAnIdByWhichItIsFound);
    CPPUNIT_TEST(testALateChildIsRefusedUntilAnInstanceServes);
    CPPUNIT_TEST(testADescribedExceptionHasAReport);
    CPPUNIT_TEST_SUITE_END();

    const std::string app_ = "blog";
    ManualClock clock_;
    RecentReports reports_;
    StartFailures failures_{app_, reports_};

public:
    void testAfterAFailureOneInstanceStartsAtATime() {
        CPPUNIT_ASSERT_EQUAL(3U, failures_.limit(3, 1));
        failures_.backoff().spawnFailed(clock_.now());
        CPPUNIT_ASSERT(!failures_.mayTry(clock_.now()));
        CPPUNIT_ASSERT(failures_.mayTry(failures_.notBefore()));
        CPPUNIT_ASSERT_EQUAL(1U, failures_.limit(3, 0));
        CPPUNIT_ASSERT_EQUAL(0U, failures_.limit(3, 1));
        failures_.succeeded();
        CPPUNIT_ASSERT_EQUAL(3U, failures_.limit(3, 1));
    }

    void testAReportedFailureGetsAnIdByWhichItIsFound() {
        const CapturedLog log;
        GetFailure failure{GetFailure::Reason::SPAWN_FAILED, "no such file"};
        failures_.report("spawn.failed", failure, clock_.now());
        CPPUNIT_ASSERT(log.contains("event=spawn.failed app=\"blog\" report=" + failure.reportId()));
        CPPUNIT_ASSERT_EQUAL(app_, reports_.find(failure.reportId())->app);
        clock_.advance(std::chrono::seconds(3));
        const std::optional<FailureSnapshot> last = failures_.last(clock_.now());
        CPPUNIT_ASSERT_EQUAL(failure.reportId(), last->reportId);
        CPPUNIT_ASSERT(last->age == std::chrono::seconds(3));
    }

    void testALateChildIsRefusedUntilAnInstanceServes() {
        const GetFailure failure{GetFailure::Reason::SPAWN_FAILED, "no such file"};
        failures_.wentDown(failure, Generation(4));
        // The next attempt had no queue.
        failures_.wentDown(failure, Generation());
        CPPUNIT_ASSERT(failures_.wentDownWith(Generation(4)));
        CPPUNIT_ASSERT(!failures_.wentDownWith(Generation(3)));
        CPPUNIT_ASSERT(!failures_.wentDownWith(Generation()));
        failures_.succeeded();
        CPPUNIT_ASSERT(!failures_.wentDownWith(Generation(4)));
    }

    void testADescribedExceptionHasAReport() {
        const GetFailure failure = StartFailures::describe(SpawnException("it exited"));
        CPPUNIT_ASSERT_EQUAL(std::string("it exited"), failure.summary);
        CPPUNIT_ASSERT_EQUAL(std::string("it exited"), failure.report->summary);
        CPPUNIT_ASSERT(!StartFailures::describe(std::runtime_error("no thread")).report);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(StartFailuresTest);

}  // namespace Passenger
