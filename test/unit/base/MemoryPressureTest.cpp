#include "base/MemoryPressure.h"

#include <cppunit/extensions/HelperMacros.h>

#include <fstream>
#include <string>

#include "support/SpawningFixture.h"

namespace Passenger {

class MemoryPressureTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(MemoryPressureTest);
    CPPUNIT_TEST(testTheTimeInWhichAllWaited);
    CPPUNIT_TEST(testWhatTheKernelDoesNotTell);
    CPPUNIT_TEST_SUITE_END();

    static double in(const std::string &text) {
        const ApplicationFolder folder("");
        const std::string file = folder.path() + "/memory.pressure";
        std::ofstream(file) << text << std::flush;
        return memoryPressure(file);
    }

public:
    void testTheTimeInWhichAllWaited() {
        CPPUNIT_ASSERT_EQUAL(12.34, in("some avg10=99.00 avg60=1.00 avg300=0.10 total=5\n"
                                       "full avg10=12.34 avg60=0.50 avg300=0.00 total=3\n"));
        CPPUNIT_ASSERT_EQUAL(0.0, in("some avg10=99.00 avg60=0.00 avg300=0.00 total=5\n"));
    }

    void testWhatTheKernelDoesNotTell() {
        CPPUNIT_ASSERT_EQUAL(0.0, memoryPressure("/nowhere/memory.pressure"));
        CPPUNIT_ASSERT_EQUAL(0.0, in(""));
        CPPUNIT_ASSERT_EQUAL(0.0, in("full avg10=much\n"));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(MemoryPressureTest);

}  // namespace Passenger
