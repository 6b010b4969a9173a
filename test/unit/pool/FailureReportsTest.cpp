#include "pool/FailureReports.h"

#include <cppunit/extensions/HelperMacros.h>

#include "base/Exceptions.h"
#include "support/CapturedLog.h"
#include "support/ManualClock.h"

namespace Passenger {

class FailureReportsTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(FailureReportsTest);
    CPPUNIT_TEST(testAReportedFailureGetsAnIdByWhichItIsFound);
    CPPUNIT_TEST(testARepeatedFailureIsOneLineWithTheIdOfTheFirst);
    CPPUNIT_TEST(testAnotherFailureOrVersionOrALaterTimeIsReportedInFull);
    CPPUNIT_TEST(testADescribedExceptionHasAReport);
    CPPUNIT_TEST_SUITE_END();

    const std::string app_ = "blog";
    ManualClock clock_;
    RecentReports kept_;
    FailureReports reports_{app_, kept_};

public:
    void testAReportedFailureGetsAnIdByWhichItIsFound() {
        const CapturedLog log;
        GetFailure failure{GetFailure::Reason::SPAWN_FAILED, "no such file"};
        reports_.report("spawn.failed", failure, clock_.now());
        CPPUNIT_ASSERT(log.contains("event=spawn.failed app=\"blog\" report=" + failure.reportId()));
        CPPUNIT_ASSERT_EQUAL(app_, kept_.find(failure.reportId())->app);
        clock_.advance(std::chrono::seconds(3));
        const std::optional<FailureStatus> last = reports_.last(clock_.now());
        CPPUNIT_ASSERT_EQUAL(failure.reportId(), last->report);
        CPPUNIT_ASSERT(last->age == 3);
    }

    /** @return the id */
    std::string report(const std::string &summary, const std::string &details = "some details") {
        GetFailure failure{GetFailure::Reason::SPAWN_FAILED, summary};
        Report report;
        report.add("Details", Report::Form::LINES, details);
        failure.report = std::make_shared<const Report>(std::move(report));
        reports_.report("spawn.failed", failure, clock_.now());
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
        CPPUNIT_ASSERT_EQUAL(std::string("process 4799 exited"), kept_.find(first)->summary);
    }

    void testAnotherFailureOrVersionOrALaterTimeIsReportedInFull() {
        const std::string first = report("process 4711 exited");
        const std::string other = report("no such file");
        CPPUNIT_ASSERT(first != other);
        reports_.changed();
        const std::string version = report("no such file");
        CPPUNIT_ASSERT(other != version);
        clock_.advance(std::chrono::hours(1));
        CPPUNIT_ASSERT(version != report("no such file"));
    }

    void testADescribedExceptionHasAReport() {
        const GetFailure failure = FailureReports::describe(SpawnException("it exited"));
        CPPUNIT_ASSERT_EQUAL(std::string("it exited"), failure.summary);
        CPPUNIT_ASSERT_EQUAL(std::string("it exited"), failure.report->summary);
        CPPUNIT_ASSERT(!FailureReports::describe(std::runtime_error("no thread")).report);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(FailureReportsTest);

}  // namespace Passenger
