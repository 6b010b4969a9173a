#include "base/FolderTrust.h"

#include <cppunit/TestFixture.h>
#include <cppunit/extensions/HelperMacros.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

namespace Passenger {

class FolderTrustTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(FolderTrustTest);
    CPPUNIT_TEST(testAPathIsSafeIfRootOwnsAllThatLeadsToIt);
    CPPUNIT_TEST(testAUserAndItsGroupMayOwnAPath);
    CPPUNIT_TEST_SUITE_END();

public:
    /** A link in /proc leads into the root folder of its process, whatever its text says. */
    void testAPathIsSafeIfRootOwnsAllThatLeadsToIt() {
        CPPUNIT_ASSERT(isSafeFromOthers("/usr/bin"));
        CPPUNIT_ASSERT(isSafeFromOthers("/bin/sh"));
        CPPUNIT_ASSERT(!isSafeFromOthers("/tmp"));
        CPPUNIT_ASSERT(!isSafeFromOthers("/usr/nothing"));
        CPPUNIT_ASSERT(!isSafeFromOthers("/proc/self/root/usr/bin"));
    }

    void testAUserAndItsGroupMayOwnAPath() {
        if (::geteuid() != 0) {
            return;
        }
        constexpr uid_t NOBODY = 65534;
        std::string folder = "/root/passenger-unit-XXXXXX";
        CPPUNIT_ASSERT(::mkdtemp(folder.data()) != nullptr);
        const bool prepared = ::chown(folder.c_str(), NOBODY, NOBODY) == 0 && ::chmod(folder.c_str(), 0770) == 0;
        const bool roots = isSafeFromOthers(folder);
        const bool users = isSafeFromOthers(folder, NOBODY);
        const bool groups = isSafeFromOthers(folder, NOBODY, NOBODY);
        std::filesystem::remove(folder);
        CPPUNIT_ASSERT(prepared);
        CPPUNIT_ASSERT(!roots);
        CPPUNIT_ASSERT(!users);
        CPPUNIT_ASSERT(groups);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(FolderTrustTest);

}  // namespace Passenger
