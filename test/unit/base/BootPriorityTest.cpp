#include "base/BootPriority.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sched.h>

namespace Passenger {

class BootPriorityTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(BootPriorityTest);
    CPPUNIT_TEST(testThePolicyOfAnAdministratorStays);
    CPPUNIT_TEST_SUITE_END();

public:
    /** Where httpd has the policy, so have all applications. */
    void testThePolicyOfAnAdministratorStays() {
        if (!BootPriority::canRestore()) {
            return;
        }
        const sched_param none{};
        CPPUNIT_ASSERT_EQUAL(0, ::sched_setscheduler(0, SCHED_IDLE, &none));
        const bool can = BootPriority::canRestore();
        CPPUNIT_ASSERT_EQUAL(0, ::sched_setscheduler(0, SCHED_OTHER, &none));
        CPPUNIT_ASSERT(!can);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(BootPriorityTest);

}  // namespace Passenger
