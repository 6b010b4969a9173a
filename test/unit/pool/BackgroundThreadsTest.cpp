#include "pool/BackgroundThreads.h"

#include <cppunit/extensions/HelperMacros.h>
#include <boost/thread/exceptions.hpp>

#include <future>
#include <memory>
#include <utility>

#include "support/Eventually.h"
#include "support/LeakCheck.h"
#include "support/NoThreads.h"

namespace Passenger {

class BackgroundThreadsTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(BackgroundThreadsTest);
    CPPUNIT_TEST(testAnObjectIsKeptUntilTheThreadsThatMayUseItHaveEnded);
    CPPUNIT_TEST(testWithoutAThreadAnObjectIsNotKept);
    CPPUNIT_TEST(testManyObjectsAreKeptForOneThread);
    CPPUNIT_TEST(testAnObjectThatNoThreadCouldDestroyIsDestroyedByTheNextThread);
    CPPUNIT_TEST(testTheLastThreadsThatAreWaitedForLeaveNoObject);
    CPPUNIT_TEST_SUITE_END();

public:
    void testAnObjectIsKeptUntilTheThreadsThatMayUseItHaveEnded() {
        BackgroundThreads threads;
        std::promise<void> end;
        threads.run("early", [&] { end.get_future().wait(); });
        const std::weak_ptr<int> kept = [&] {
            auto object = std::make_shared<int>(1);
            threads.keep(object);
            return object;
        }();
        CPPUNIT_ASSERT(!kept.expired());
        end.set_value();
        threads.join();
        CPPUNIT_ASSERT(kept.expired());
    }

    void testWithoutAThreadAnObjectIsNotKept() {
        BackgroundThreads threads;
        threads.run("ended", [] {});
        threads.join();
        const auto object = std::make_shared<int>(1);
        threads.keep(object);
        CPPUNIT_ASSERT_EQUAL(1L, object.use_count());
    }

    // A thread may hang for as long as its application's start may take.
    void testManyObjectsAreKeptForOneThread() {
        BackgroundThreads threads;
        std::promise<void> end;
        threads.run("early", [&] { end.get_future().wait(); });
        const auto object = std::make_shared<int>(1);
        constexpr long MANY = 300'000;
        for (long i = 0; i < MANY; i++) {
            threads.keep(object);
        }
        CPPUNIT_ASSERT_EQUAL(1 + MANY, object.use_count());
        end.set_value();
        threads.join();
        CPPUNIT_ASSERT_EQUAL(1L, object.use_count());
    }

    std::weak_ptr<int> endWithoutThread(BackgroundThreads &threads) {
        auto object = std::make_shared<int>(1);
        std::weak_ptr<int> seen = object;
        const NoThreads limit;
        CPPUNIT_ASSERT_THROW(threads.endInThread(std::move(object)), boost::thread_resource_error);
        return seen;
    }

    void testAnObjectThatNoThreadCouldDestroyIsDestroyedByTheNextThread() {
        BackgroundThreads threads;
        const std::weak_ptr<int> seen = endWithoutThread(threads);
        CPPUNIT_ASSERT(!seen.expired());
        threads.run("other", [] {});
        CPPUNIT_ASSERT(eventually([&] { return seen.expired(); }));
    }

    void testTheLastThreadsThatAreWaitedForLeaveNoObject() {
        BackgroundThreads threads;
        const std::weak_ptr<int> seen = endWithoutThread(threads);
        threads.join();
        CPPUNIT_ASSERT(seen.expired());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(BackgroundThreadsTest);

}  // namespace Passenger
