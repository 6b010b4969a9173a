#pragma once

#include <cppunit/TestCase.h>
#include <cppunit/TestFixture.h>
#include <cppunit/extensions/HelperMacros.h>

#include <memory>
#include <string>

namespace Passenger {

/**
 * A test: a method of a fixture. CPPUNIT_TEST makes it instead of CppUnit's TestCaller, a template
 * that the compiler would make for each class of fixtures. The unit tests' Local.mk lets the
 * compiler read this header before each source.
 */
class TestMethod : public CppUnit::TestCase {
public:
    using Method = void (CppUnit::TestFixture::*)();

    /** Adds the test to the suite, which owns it.
     *  @param fixture of the method's class; the test owns it */
    static void addTo(CppUnit::TestSuiteBuilderContextBase &suite, const char *name, Method method,
                      CppUnit::TestFixture *fixture);

    TestMethod(const std::string &name, Method method, std::unique_ptr<CppUnit::TestFixture> fixture);

    void setUp() override;
    void tearDown() override;

protected:
    void runTest() override;

private:
    Method method_;
    std::unique_ptr<CppUnit::TestFixture> fixture_;
};

}  // namespace Passenger

// A method of a fixture's base class becomes one of the fixture's class first.
#undef CPPUNIT_TEST
#define CPPUNIT_TEST(testMethod)                                                                                \
    ::Passenger::TestMethod::addTo(context, #testMethod,                                                        \
                                   static_cast<::Passenger::TestMethod::Method>(                                \
                                       static_cast<void (TestFixtureType::*)()>(&TestFixtureType::testMethod)), \
                                   context.makeFixture())
