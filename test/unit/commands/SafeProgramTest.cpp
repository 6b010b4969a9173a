#include "commands/SafeProgram.h"

#include <cppunit/TestFixture.h>
#include <cppunit/extensions/HelperMacros.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <string>

namespace Passenger {

class SafeProgramTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(SafeProgramTest);
    CPPUNIT_TEST(testALinkOfRootKeepsItsName);
    CPPUNIT_TEST(testALinkThatOthersCanChangeIsFollowed);
    CPPUNIT_TEST_SUITE_END();

public:
    /** In Debian this is a link to dash. */
    void testALinkOfRootKeepsItsName() {
        const std::string program = safeProgram("/bin/sh");
        CPPUNIT_ASSERT_EQUAL(std::string("sh"), program.substr(program.rfind('/') + 1));
    }

    void testALinkThatOthersCanChangeIsFollowed() {
        if (::geteuid() != 0) {
            return;
        }
        std::string folder = "/tmp/safe-program-XXXXXX";
        CPPUNIT_ASSERT(::mkdtemp(folder.data()) != nullptr);
        const std::filesystem::path shell = std::filesystem::canonical("/bin/sh");
        std::filesystem::create_symlink(shell, folder + "/program");
        std::filesystem::create_symlink(shell.parent_path(), folder + "/bin");
        const std::string back = "/root/passenger-unit-SafeProgramTest." + std::to_string(::getpid());
        std::filesystem::create_symlink(folder + "/../.." + shell.string(), back);
        const std::string way = safeProgram(back);
        std::filesystem::remove(back);
        const std::string link = safeProgram(folder + "/program");
        const std::string behind = safeProgram(folder + "/bin/" + shell.filename().string());
        std::filesystem::remove_all(folder);
        CPPUNIT_ASSERT_EQUAL(shell.string(), link);
        CPPUNIT_ASSERT_EQUAL(shell.string(), behind);
        CPPUNIT_ASSERT_EQUAL_MESSAGE("Root's own link leads through the folder", shell.string(), way);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SafeProgramTest);

}  // namespace Passenger
