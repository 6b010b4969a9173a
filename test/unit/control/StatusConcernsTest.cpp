#include "control/StatusConcerns.h"

#include <cppunit/extensions/HelperMacros.h>

#include "support/HasText.h"
#include "support/SampleStatus.h"

namespace Passenger {

using StatusWords::Weight;

class StatusConcernsTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(StatusConcernsTest);
    CPPUNIT_TEST(testAQuietServerHasNone);
    CPPUNIT_TEST(testLimitsOfTheServerAreNamedWithTheirDirective);
    CPPUNIT_TEST(testLimitsOfHttpdAreNamedWithTheirDirective);
    CPPUNIT_TEST(testAFailureHasItsReport);
    CPPUNIT_TEST(testAQueueIsToldBeforeItIsFull);
    CPPUNIT_TEST(testProblemsComeFirst);
    CPPUNIT_TEST_SUITE_END();

public:
    void testAQuietServerHasNone() {
        ServerStatus status = sampleStatus({sampleApp("/srv/blog")});
        status.poolSize = status.maxPoolSize;
        CPPUNIT_ASSERT(concernsOf(status).empty());
    }

    void testLimitsOfTheServerAreNamedWithTheirDirective() {
        ServerStatus status = sampleStatus({});
        status.poolSize = status.maxPoolSize;
        status.waitingForRoom = 1;
        status.descriptors = 900;
        const auto found = concernsOf(status);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, found.size());
        CPPUNIT_ASSERT_EQUAL(std::string("The pool is full: 6 of 6 instances, and 1 application waits for room. "
                                         "PassengerMaxPoolSize is the limit."),
                             found[0].text);
        CPPUNIT_ASSERT(hasText(found[1].text, "900 of 1024 descriptors"));
    }

    void testLimitsOfHttpdAreNamedWithTheirDirective() {
        ServerStatus status = sampleStatus({});
        status.workers = WorkersStatus{79, 21, 100};
        status.spool = SpoolStatus{79, 100, 1000, 100};
        CPPUNIT_ASSERT(concernsOf(status).empty());
        status.spool = SpoolStatus{0, 0, 0, 0};
        CPPUNIT_ASSERT(concernsOf(status).empty());
        status.workers->busy = 80;
        CPPUNIT_ASSERT(hasText(concernsOf(status).at(0).text, "80 of 100 workers"));
        CPPUNIT_ASSERT(Weight::NOTICE == concernsOf(status)[0].weight);
        status.workers->busy = 100;
        CPPUNIT_ASSERT(Weight::PROBLEM == concernsOf(status).at(0).weight);
        status.workers.reset();
        status.spool = SpoolStatus{80, 100, 1000, 100};
        CPPUNIT_ASSERT(hasText(concernsOf(status).at(0).text, "PassengerMaxDataBufferSize"));
        for (const std::uint64_t available : {125, 99, 0}) {
            status.spool = SpoolStatus{0, 100, available, 100};
            CPPUNIT_ASSERT(hasText(concernsOf(status).at(0).text, "PassengerMinDataBufferFreeSpace"));
        }
    }

    void testAFailureHasItsReport() {
        AppStatus app = sampleApp("/srv/blog");
        app.state = "failed";
        app.failure = FailureStatus{"00c0ffee", "no gem", "", 1};
        const auto found = concernsOf(sampleStatus({app}));
        CPPUNIT_ASSERT_EQUAL(std::string("does not start: no gem (report 00c0ffee)."), found.at(0).text);
        CPPUNIT_ASSERT_EQUAL(app.name, found[0].app);
    }

    void testAQueueIsToldBeforeItIsFull() {
        AppStatus app = sampleApp("/srv/blog");
        app.queue.waiting = 80;
        app.queue.oldest = 1;
        CPPUNIT_ASSERT(Weight::NOTICE == concernsOf(sampleStatus({app})).at(0).weight);
        app.queue.waiting = 100;
        CPPUNIT_ASSERT(Weight::PROBLEM == concernsOf(sampleStatus({app})).at(0).weight);
    }

    void testProblemsComeFirst() {
        AppStatus old = sampleApp("/srv/blog");
        old.state = "deploy-failed";
        AppStatus failed = sampleApp("/srv/shop");
        failed.state = "failed";
        const auto found = concernsOf(sampleStatus({old, failed}));
        CPPUNIT_ASSERT_EQUAL(failed.name, found.at(0).app);
        CPPUNIT_ASSERT_EQUAL(old.name, found.at(1).app);
        CPPUNIT_ASSERT_EQUAL(std::string("has a new version that does not start; the old one serves."), found[1].text);
        old.queue.pausedFor = 60;
        CPPUNIT_ASSERT_EQUAL(std::string("has a new version that does not start."),
                             concernsOf(sampleStatus({old})).at(0).text);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(StatusConcernsTest);

}  // namespace Passenger
