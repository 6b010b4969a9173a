#include "base/MemoryFile.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "support/LeakCheck.h"

namespace Passenger {

class MemoryFileTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(MemoryFileTest);
    CPPUNIT_TEST(testNoProcessCanExecuteTheFile);
    CPPUNIT_TEST(testTheFileCanBeSealed);
    CPPUNIT_TEST_SUITE_END();

    // Older headers lack them.
    static constexpr unsigned NO_EXEC_SEAL = 0x8;
    static constexpr int SEAL_EXEC = 0x20;

public:
    // With vm.memfd_noexec = 2 the kernel refuses other files.
    void testNoProcessCanExecuteTheFile() {
        const FileDescriptor probe(::memfd_create("test", MFD_CLOEXEC | NO_EXEC_SEAL));
        if (!probe) {
            return;  // Linux before 6.3
        }
        const FileDescriptor file = createMemoryFile("test");
        CPPUNIT_ASSERT(::fcntl(file.get(), F_GET_SEALS) & SEAL_EXEC);
        struct stat status {};
        CPPUNIT_ASSERT_EQUAL(0, ::fstat(file.get(), &status));
        CPPUNIT_ASSERT_EQUAL(mode_t{0}, static_cast<mode_t>(status.st_mode & 0111));
    }

    void testTheFileCanBeSealed() {
        const FileDescriptor file = createMemoryFile("test");
        CPPUNIT_ASSERT_EQUAL(0, ::fcntl(file.get(), F_ADD_SEALS, F_SEAL_GROW));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(MemoryFileTest);

}  // namespace Passenger
