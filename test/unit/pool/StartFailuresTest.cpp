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
    CPPUNIT_TEST(testARepeatedFailureIsOneLineWithTheIdOfTheFirst);
    CPPUNIT_TEST(testAnotherFailureOrVersionOrALaterTimeIsReportedInFull);
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

    /** @return the id */
    std::string report(const std::string &summary, const std::string &details = "some details") {
        GetFailure failure{GetFailure::Reason::SPAWN_FAILED, summary};
        Report report;
        report.add("Details", Report::Form::LINES, details);
        failure.report = std::make_shared<const Report>(std::move(report));
        failures_.report("spawn.failed", failure, clock_.now());
        return failure.reportId();
    }

    void testARepeatedFailureIsOneLineWithTheIdOfTheFirst() {
        const CapturedLog log;
        const std::string first = report("process 4711 exited");
        const unsigned lines = log.count("\n");
        CPPUNIT_ASSERT_EQUAL(first, report("process 4712 exited", "other details"));
        CPPUNIT_ASSERT_EQUAL(first, report("process 4799 exited"));
        CPPUNIT_ASSERT_EQUAL(lines + 2, log.count("\n"));
        CPPUNIT_ASSERT(log.contains("report=" + first + " repeated=2 error=\"process 4799 exited\""));
        // The page shows the latest one.
        CPPUNIT_ASSERT_EQUAL(std::string("process 4799 exited"), reports_.find(first)->summary);
    }

    void testAnotherFailureOrVersionOrALaterTimeIsReportedInFull() {
        const std::string first = report("process 4711 exited");
        const std::string other = report("no such file");
        CPPUNIT_ASSERT(first != other);
        failures_.forget();
        const std::string version = report("no such file");
        CPPUNIT_ASSERT(other != version);
        clock_.advance(std::chrono::hours(1));
        CPPUNIT_ASSERT(version != report("no such file"));
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
