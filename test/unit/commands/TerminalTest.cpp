#include "commands/Terminal.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>

namespace Passenger {

class TerminalTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(TerminalTest);
    CPPUNIT_TEST(testATextOfOthersIsOneLine);
    CPPUNIT_TEST(testTextIsClippedToTheTerminal);
    CPPUNIT_TEST(testColoursAndLongCharactersTakeNoFurtherColumns);
    CPPUNIT_TEST_SUITE_END();

public:
    void testATextOfOthersIsOneLine() {
        CPPUNIT_ASSERT_EQUAL(std::string("a\\x1b[m b c é"), singleLine("a\x1b[m\nb\tc é"));
    }

    void testTextIsClippedToTheTerminal() {
        CPPUNIT_ASSERT_EQUAL(std::string("abc\nd\n"), clipped("abcd\nd\ne\n", {3, 3}));
    }

    void testColoursAndLongCharactersTakeNoFurtherColumns() {
        CPPUNIT_ASSERT_EQUAL(std::string("\x1b[1müüü\n"), clipped("\x1b[1müüüü", {3, 3}));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(TerminalTest);

}  // namespace Passenger
