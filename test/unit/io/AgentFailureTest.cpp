#include "io/AgentFailure.h"

#include <cppunit/extensions/HelperMacros.h>

#include <boost/thread/exceptions.hpp>

#include <cerrno>
#include <string>

#include "base/Exceptions.h"
#include "support/Expect.h"

namespace Passenger {

class AgentFailureTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(AgentFailureTest);
    CPPUNIT_TEST(testExceptionsKeepTheirClassAndText);
    CPPUNIT_TEST(testAnyOtherExceptionBecomesAnIOException);
    CPPUNIT_TEST_SUITE_END();

public:
    void testExceptionsKeepTheirClassAndText() {
        const SystemException system("open(\"/x\")", EACCES);
        const auto system2 = thrownBy<SystemException>([&] { throwFailure(describeFailure(system)); });
        CPPUNIT_ASSERT_EQUAL(std::string(system.what()), std::string(system2.what()));
        CPPUNIT_ASSERT_EQUAL(EACCES, system2.error());

        const boost::thread_resource_error thread(EAGAIN, "pthread_create");
        const auto thread2 = thrownBy<boost::thread_resource_error>([&] { throwFailure(describeFailure(thread)); });
        CPPUNIT_ASSERT_EQUAL(std::string(thread.what()), std::string(thread2.what()));

        const SpawnException spawn("no ruby", "all\nof it");
        const auto spawn2 = thrownBy<SpawnException>([&] { throwFailure(describeFailure(spawn)); });
        CPPUNIT_ASSERT_EQUAL(spawn.report(), spawn2.report());

        const IOException io("broken");
        const auto io2 = thrownBy<IOException>([&] { throwFailure(describeFailure(io)); });
        CPPUNIT_ASSERT_EQUAL(std::string("broken"), std::string(io2.what()));
    }

    void testAnyOtherExceptionBecomesAnIOException() {
        const auto other = thrownBy<IOException>([] { throwFailure(describeFailure(std::logic_error("oops"))); });
        CPPUNIT_ASSERT_EQUAL(std::string("oops"), std::string(other.what()));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(AgentFailureTest);

}  // namespace Passenger
