#include "base/FileContent.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace Passenger {

class FileContentTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(FileContentTest);
    CPPUNIT_TEST(testALongFileIsReadWhole);
    CPPUNIT_TEST(testNoMoreIsReadThanTheCallerWants);
    CPPUNIT_TEST(testAFileThatCannotBeOpenedIsEmpty);
    CPPUNIT_TEST(testAFileWhoseReadingFailsIsEmpty);
    CPPUNIT_TEST(testALinkLeadsToAFileOfTheFoldersOwnerOnly);
    CPPUNIT_TEST(testAFifoHasNoContent);
    CPPUNIT_TEST_SUITE_END();

    static void assertReason(const std::string &reason, const std::string &path, std::size_t most = 10) {
        const auto content = ownersFileContent(path, most);
        CPPUNIT_ASSERT_MESSAGE(path, !content);
        CPPUNIT_ASSERT_EQUAL(reason, content.error());
    }

    static std::string newFolder() {
        char folder[] = "/tmp/passenger-unit-FileContentTest.XXXXXX";
        CPPUNIT_ASSERT(::mkdtemp(folder) != nullptr);
        return folder;
    }

public:
    void testALongFileIsReadWhole() {
        const std::string path = "/tmp/passenger-unit-FileContentTest." + std::to_string(::getpid());
        const std::string text(10'000, 'x');
        std::ofstream(path) << text;
        CPPUNIT_ASSERT_EQUAL(text, fileContent(path));
        std::remove(path.c_str());
    }

    void testNoMoreIsReadThanTheCallerWants() {
        CPPUNIT_ASSERT_EQUAL(std::string(10'000, '\0'), fileContent("/dev/zero", 10'000));
    }

    void testAFileThatCannotBeOpenedIsEmpty() { CPPUNIT_ASSERT_EQUAL(std::string(), fileContent("/proc/0/status")); }

    // A file of /proc fails likewise when its process has ended since it was opened.
    void testAFileWhoseReadingFailsIsEmpty() { CPPUNIT_ASSERT_EQUAL(std::string(), fileContent("/proc/self/mem")); }

    void testALinkLeadsToAFileOfTheFoldersOwnerOnly() {
        if (::geteuid() != 0) {
            return;
        }
        const std::string folder = newFolder();
        const std::string file = folder + "/file";
        const std::string link = folder + "/link";
        const std::string foreign = folder + "/foreign";
        std::ofstream(file) << "own";
        std::filesystem::create_symlink(file, link);
        std::filesystem::create_symlink("/etc/passwd", foreign);
        CPPUNIT_ASSERT(!ownersFileContent(foreign, 1'000'000)->empty());
        constexpr uid_t OWNER = 1234;
        CPPUNIT_ASSERT_EQUAL(0, ::chown(folder.c_str(), OWNER, OWNER));
        // Nobody but root has put it there.
        CPPUNIT_ASSERT_EQUAL(std::string("own"), *ownersFileContent(file, 10));
        const std::string others = "it is a link to a file of another user than the folder's";
        assertReason(others, link);
        assertReason(others, foreign, 1'000'000);
        CPPUNIT_ASSERT_EQUAL(0, ::chown(file.c_str(), OWNER, OWNER));
        CPPUNIT_ASSERT_EQUAL(std::string("own"), *ownersFileContent(link, 10));
        assertReason("it is longer than 2 bytes", file, 2);
        std::filesystem::remove_all(folder);
    }

    void testAFifoHasNoContent() {
        const std::string folder = newFolder();
        const std::string fifo = folder + "/fifo";
        CPPUNIT_ASSERT_EQUAL(0, ::mkfifo(fifo.c_str(), 0600));
        assertReason("it is no regular file", fifo);
        assertReason("No such file or directory", folder + "/none");
        assertReason("No such file or directory", folder + "/none/none");
        std::filesystem::remove_all(folder);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(FileContentTest);

}  // namespace Passenger
