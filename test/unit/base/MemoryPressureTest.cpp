#include "base/MemoryPressure.h"

#include <cppunit/extensions/HelperMacros.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "support/SpawningFixture.h"

namespace Passenger {

class MemoryPressureTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(MemoryPressureTest);
    CPPUNIT_TEST(testTheTimeInWhichAllWaited);
    CPPUNIT_TEST(testWhatTheKernelDoesNotTell);
    CPPUNIT_TEST(testTheHostAndTheOwnGroupsCountWhereNoneIsLimited);
    CPPUNIT_TEST(testOnlyTheGroupsCountWhereOneIsLimited);
    CPPUNIT_TEST(testAGroupThatTheKernelSlowsIsLimited);
    CPPUNIT_TEST_SUITE_END();

    /** The kernel's files for a process in the group /httpd.service of a slice. */
    class Kernel {
    public:
        Kernel() {
            std::filesystem::create_directories(own());
            write(folder_.path() + "/membership", "1:cpu:/other\n0::/web.slice/httpd.service\n");
        }
        std::string slice() const { return folder_.path() + "/web.slice"; }
        std::string own() const { return slice() + "/httpd.service"; }
        std::string host() const { return folder_.path() + "/host"; }
        static void write(const std::string &file, const std::string &text) {
            std::ofstream(file) << text << std::flush;
        }
        static void presses(const std::string &file, int percent) {
            write(file, "full avg10=" + std::to_string(percent) + ".00 avg60=0.50 avg300=0.00 total=3\n");
        }
        double pressure() const { return ownMemoryPressure({folder_.path() + "/membership", folder_.path()}, host()); }

    private:
        const ApplicationFolder folder_{""};
    };

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

    void testTheHostAndTheOwnGroupsCountWhereNoneIsLimited() {
        const Kernel kernel;
        CPPUNIT_ASSERT_EQUAL(0.0, kernel.pressure());
        Kernel::write(kernel.own() + "/memory.max", "max\n");
        Kernel::presses(kernel.host(), 5);
        CPPUNIT_ASSERT_EQUAL(5.0, kernel.pressure());
        Kernel::presses(kernel.own() + "/memory.pressure", 20);
        CPPUNIT_ASSERT_EQUAL(20.0, kernel.pressure());
        Kernel::presses(kernel.host(), 30);
        // By other units.
        Kernel::presses(kernel.slice() + "/memory.pressure", 99);
        CPPUNIT_ASSERT_EQUAL(30.0, kernel.pressure());
    }

    /** Another pod of the host may be short of memory, and this one at its own limit. */
    void testOnlyTheGroupsCountWhereOneIsLimited() {
        const Kernel kernel;
        Kernel::presses(kernel.host(), 90);
        Kernel::write(kernel.slice() + "/memory.max", "536870912\n");
        Kernel::presses(kernel.slice() + "/memory.pressure", 12);
        Kernel::presses(kernel.own() + "/memory.pressure", 1);
        CPPUNIT_ASSERT_EQUAL(12.0, kernel.pressure());
    }

    /** As by MemoryHigh= of a unit. */
    void testAGroupThatTheKernelSlowsIsLimited() {
        const Kernel kernel;
        Kernel::write(kernel.slice() + "/memory.max", "max\n");
        Kernel::write(kernel.slice() + "/memory.high", "536870912\n");
        Kernel::presses(kernel.slice() + "/memory.pressure", 12);
        CPPUNIT_ASSERT_EQUAL(12.0, kernel.pressure());
    }

    void testWhatTheKernelDoesNotTell() {
        CPPUNIT_ASSERT_EQUAL(0.0, memoryPressure("/nowhere/memory.pressure"));
        CPPUNIT_ASSERT_EQUAL(0.0, in(""));
        CPPUNIT_ASSERT_EQUAL(0.0, in("full avg10=much\n"));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(MemoryPressureTest);

}  // namespace Passenger
