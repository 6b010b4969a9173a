#include "base/PatientThreads.h"

#include <cppunit/extensions/HelperMacros.h>

#include <atomic>
#include <chrono>
#include <cstddef>

#include "support/Eventually.h"
#include "support/LeakCheck.h"
#include "support/NoThreads.h"

namespace Passenger {

class PatientThreadsTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(PatientThreadsTest);
    CPPUNIT_TEST(testWorkIsRefusedWhileThereIsNoThreadForIt);
    CPPUNIT_TEST(testKeptWorkIsDoneByTheThreadOfALaterCall);
    CPPUNIT_TEST(testWorkForWhichAThreadIsBusyIsNotRefused);
    CPPUNIT_TEST_SUITE_END();

    static constexpr PatientThreads::Key KEY = 1;

    std::atomic<int> done_ = 0;
    PatientThreads threads_{"test", 8, std::chrono::milliseconds(1)};

public:
    void testWorkIsRefusedWhileThereIsNoThreadForIt() {
        {
            const NoThreads shortage;
            CPPUNIT_ASSERT(!threads_.tryRun(KEY, 1, [this] { done_ += 10; }));
            threads_.await(std::chrono::minutes(1));
        }
        CPPUNIT_ASSERT(threads_.tryRun(KEY, 1, [this] { ++done_; }));
        threads_.await(std::chrono::minutes(1));
        CPPUNIT_ASSERT_EQUAL(1, done_.load());
    }

    void testKeptWorkIsDoneByTheThreadOfALaterCall() {
        {
            const NoThreads shortage;
            CPPUNIT_ASSERT(threads_.run(KEY, 1, [this] { ++done_; }));
            CPPUNIT_ASSERT(!threads_.tryRun(KEY, 1, [this] { done_ += 10; }));
        }
        CPPUNIT_ASSERT_EQUAL(0, done_.load());
        CPPUNIT_ASSERT(threads_.tryRun(KEY, 1, [this] { ++done_; }));
        threads_.await(std::chrono::minutes(1));
        CPPUNIT_ASSERT_EQUAL(2, done_.load());
    }

    void testWorkForWhichAThreadIsBusyIsNotRefused() {
        std::atomic<bool> goOn = false;
        CPPUNIT_ASSERT(threads_.run(KEY, 1, [&] { goOn.wait(false); }));
        CPPUNIT_ASSERT(eventually([&] { return threads_.threads() == 1; }));
        {
            const NoThreads shortage;
            CPPUNIT_ASSERT(threads_.tryRun(KEY, 1, [this] { ++done_; }));
        }
        goOn = true;
        goOn.notify_all();
        threads_.await(std::chrono::minutes(1));
        CPPUNIT_ASSERT_EQUAL(1, done_.load());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PatientThreadsTest);

}  // namespace Passenger
