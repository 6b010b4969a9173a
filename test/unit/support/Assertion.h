#pragma once

#include <cppunit/TestAssert.h>

#include <string>

namespace Passenger {

/**
 * What CPPUNIT_ASSERT and CPPUNIT_ASSERT_EQUAL call; failures have CppUnit's messages. CppUnit's
 * own macros make a message and a place also if the assertion holds: the compiler writes code for
 * these strings at thousands of places. The unit tests' Local.mk lets the compiler read this header
 * before each source.
 */
class Assertion {
public:
    /** Fails. */
    static void fail(const char *expression, const char *file, int line);
    /** Fails if the values are not equal. */
    template <typename Value>
    static void equal(const Value &expected, const Value &actual, const char *file, int line) {
        using Traits = CppUnit::assertion_traits<Value>;
        if (!Traits::equal(expected, actual)) {
            failUnequal(Traits::toString(expected), Traits::toString(actual), file, line);
        }
    }

private:
    static void failUnequal(const std::string &expected, const std::string &actual, const char *file, int line);
};

}  // namespace Passenger

#undef CPPUNIT_ASSERT
#define CPPUNIT_ASSERT(condition) \
    (!(condition) ? ::Passenger::Assertion::fail("Expression: " #condition, __FILE__, __LINE__) : static_cast<void>(0))
#undef CPPUNIT_ASSERT_EQUAL
#define CPPUNIT_ASSERT_EQUAL(expected, actual) (::Passenger::Assertion::equal((expected), (actual), __FILE__, __LINE__))
