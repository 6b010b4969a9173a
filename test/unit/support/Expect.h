#pragma once

#include <cppunit/TestAssert.h>

#include "base/Exceptions.h"

namespace Passenger {

/** The exception of type E that `action` throws. Fails the test if there is none. */
template <typename E, typename Action> E thrownBy(Action action) {
    try {
        action();
    } catch (const E &exception) {
        return exception;
    }
    CPPUNIT_FAIL("Nothing was thrown");
    throw std::logic_error("not reached");
}

template <typename Action> int errorOf(Action action) {
    return thrownBy<SystemException>(action).error();
}

}  // namespace Passenger
