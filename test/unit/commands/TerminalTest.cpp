#include "commands/Terminal.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>

namespace Passenger {

class TerminalTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(TerminalTest);
    CPPUNIT_TEST(testATextOfOthersIsOneLine);
    CPPUNIT_TEST(testAPathIsOneWordOfAShell);
    CPPUNIT_TEST(testTextIsClippedToTheTerminal);
    CPPUNIT_TEST(testColoursAndLongCharactersTakeNoFurtherColumns);
    CPPUNIT_TEST_SUITE_END();

public:
    void testATextOfOthersIsOneLine() {
        CPPUNIT_ASSERT_EQUAL(std::string("a\\x1b[m b c é"), singleLine("a\x1b[m\nb\tc é"));
    }

    void testAPathIsOneWordOfAShell() {
        CPPUNIT_ASSERT_EQUAL(std::string("/srv/blog-2/config.ru"), shellWord("/srv/blog-2/config.ru"));
        CPPUNIT_ASSERT_EQUAL(std::string("'/srv/a b;$(id)'"), shellWord("/srv/a b;$(id)"));
        CPPUNIT_ASSERT_EQUAL(std::string("'it'\\''s'"), shellWord("it's"));
        CPPUNIT_ASSERT_EQUAL(std::string("''"), shellWord(""));
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
