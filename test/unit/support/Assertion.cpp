#include "support/Assertion.h"

#include <cppunit/Asserter.h>
#include <cppunit/Message.h>
#include <cppunit/SourceLine.h>

namespace Passenger {

void Assertion::fail(const char *expression, const char *file, int line) {
    CppUnit::Asserter::fail(CppUnit::Message("assertion failed", expression), CppUnit::SourceLine(file, line));
}

void Assertion::failUnequal(const std::string &expected, const std::string &actual, const char *file, int line) {
    CppUnit::Asserter::failNotEqual(expected, actual, CppUnit::SourceLine(file, line));
}

}  // namespace Passenger
