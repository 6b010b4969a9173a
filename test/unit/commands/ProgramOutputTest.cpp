#include "commands/ProgramOutput.h"

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <string>

namespace Passenger {

class ProgramOutputTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ProgramOutputTest);
    CPPUNIT_TEST(testTheFirstLineThatIsNotEmptyIsShown);
    CPPUNIT_TEST(testControlCharactersAreNotShown);
    CPPUNIT_TEST(testAVeryLongLineIsCut);
    CPPUNIT_TEST(testOutputOfStandardErrorAndOfAFailureIsTaken);
    CPPUNIT_TEST_SUITE_END();

    static std::string firstLine(const std::string &text) {
        return ProgramOutput{true, false, text}.firstLine();
    }

public:
    void testTheFirstLineThatIsNotEmptyIsShown() {
        CPPUNIT_ASSERT_EQUAL(std::string("ruby 3.1"), firstLine("ruby 3.1"));
        CPPUNIT_ASSERT_EQUAL(std::string("ruby 3.1"), firstLine("\n \nruby 3.1\n * Node: ok: v20"));
        CPPUNIT_ASSERT_EQUAL(std::string("it printed nothing"), firstLine(""));
        CPPUNIT_ASSERT_EQUAL(std::string("it printed nothing"), firstLine(" \n\n"));
    }

    void testControlCharactersAreNotShown() {
        const std::string line = firstLine("v20\r\t\x1b[2K\x07 * Ruby: ok");
        CPPUNIT_ASSERT(line.starts_with("v20") && line.ends_with(" * Ruby: ok"));
        CPPUNIT_ASSERT(
            std::none_of(line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }));
    }

    void testAVeryLongLineIsCut() {
        CPPUNIT_ASSERT_EQUAL(std::string(500, 'x'), firstLine(std::string(100000, 'x')));
        CPPUNIT_ASSERT_EQUAL(std::string("it printed nothing"), firstLine(std::string(100000, '\n') + "late"));
    }

    void testOutputOfStandardErrorAndOfAFailureIsTaken() {
        const auto output = ProgramOutput::of("/bin/sh", {"-c", "echo; echo first >&2; echo second; exit 3"});
        CPPUNIT_ASSERT(!output.succeeded && !output.cutOff);
        CPPUNIT_ASSERT_EQUAL(std::string("first"), output.firstLine());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ProgramOutputTest);

}  // namespace Passenger
