#include "support/TestMethod.h"

#include <utility>

namespace Passenger {

void TestMethod::addTo(CppUnit::TestSuiteBuilderContextBase &suite, const char *name, Method method,
                       CppUnit::TestFixture *fixture) {
    auto test = std::make_unique<TestMethod>(suite.getTestNameFor(name), method,
                                             std::unique_ptr<CppUnit::TestFixture>(fixture));
    suite.addTest(test.release());
}

TestMethod::TestMethod(const std::string &name, Method method, std::unique_ptr<CppUnit::TestFixture> fixture)
    : CppUnit::TestCase(name), method_(method), fixture_(std::move(fixture)) {}

void TestMethod::setUp() {
    fixture_->setUp();
}

void TestMethod::tearDown() {
    fixture_->tearDown();
}

void TestMethod::runTest() {
    (*fixture_.*method_)();
}

}  // namespace Passenger
