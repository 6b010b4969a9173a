#include "loop/Thread.h"

#include <cppunit/extensions/HelperMacros.h>
#include <pthread.h>

#include <array>
#include <memory>
#include <string>
#include <utility>

namespace Passenger {

class ThreadTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ThreadTest);
    CPPUNIT_TEST(testAThreadHasItsName);
    CPPUNIT_TEST(testTheCapturesOfTheWorkAreDestroyedBeforeJoinReturns);
    CPPUNIT_TEST(testAnObjectWithoutAThreadIsNotJoinable);
    CPPUNIT_TEST_SUITE_END();

public:
    void testAThreadHasItsName() {
        std::array<char, 16> name{};
        Thread thread("a name", [&name] { ::pthread_getname_np(::pthread_self(), name.data(), name.size()); });
        thread.join();
        CPPUNIT_ASSERT_EQUAL(std::string("a name"), std::string(name.data()));
    }

    void testTheCapturesOfTheWorkAreDestroyedBeforeJoinReturns() {
        auto held = std::make_shared<int>(1);
        const std::weak_ptr<int> watched = held;
        Thread thread("holder", [held = std::move(held)] {});
        thread.join();
        CPPUNIT_ASSERT(watched.expired());
    }

    void testAnObjectWithoutAThreadIsNotJoinable() {
        Thread thread;
        CPPUNIT_ASSERT(!thread.joinable());
        thread = Thread("moved", [] {});
        CPPUNIT_ASSERT(thread.joinable());
        thread.join();
        CPPUNIT_ASSERT(!thread.joinable());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ThreadTest);

}  // namespace Passenger
