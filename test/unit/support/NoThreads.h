#pragma once

#include <cppunit/TestAssert.h>
#include <pthread.h>

#include <cstddef>

namespace Passenger {

/** During its lifetime, no thread of this process can be started, as at a limit of tasks: a stack
 *  would be larger than the address space. */
class NoThreads {
public:
    static constexpr auto STACK = static_cast<std::size_t>(sizeof(std::size_t) > 4 ? 1ULL << 60 : 3ULL << 30);

    NoThreads() {
        CPPUNIT_ASSERT_EQUAL(0, ::pthread_attr_init(&before_));
        CPPUNIT_ASSERT_EQUAL(0, ::pthread_getattr_default_np(&before_));
        pthread_attr_t large;
        CPPUNIT_ASSERT_EQUAL(0, ::pthread_attr_init(&large));
        CPPUNIT_ASSERT_EQUAL(0, ::pthread_attr_setstacksize(&large, STACK));
        CPPUNIT_ASSERT_EQUAL(0, ::pthread_setattr_default_np(&large));
        ::pthread_attr_destroy(&large);
    }
    ~NoThreads() {
        ::pthread_setattr_default_np(&before_);
        ::pthread_attr_destroy(&before_);
    }
    NoThreads(const NoThreads &) = delete;
    NoThreads &operator=(const NoThreads &) = delete;

private:
    pthread_attr_t before_{};
};

}  // namespace Passenger
