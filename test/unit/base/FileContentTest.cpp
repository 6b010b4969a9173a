#include "base/FileContent.h"

#include <cppunit/extensions/HelperMacros.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>

namespace Passenger {

class FileContentTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(FileContentTest);
    CPPUNIT_TEST(testALongFileIsReadWhole);
    CPPUNIT_TEST(testNoMoreIsReadThanTheCallerWants);
    CPPUNIT_TEST(testAFileThatCannotBeOpenedIsEmpty);
    CPPUNIT_TEST(testAFileWhoseReadingFailsIsEmpty);
    CPPUNIT_TEST_SUITE_END();

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
};

CPPUNIT_TEST_SUITE_REGISTRATION(FileContentTest);

}  // namespace Passenger
