#include "base/MarkupText.h"

#include <cppunit/extensions/HelperMacros.h>

namespace Passenger {

class MarkupTextTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(MarkupTextTest);
    CPPUNIT_TEST(testSignsOfMarkupAreEscaped);
    CPPUNIT_TEST(testControlCharactersAreShown);
    CPPUNIT_TEST_SUITE_END();

public:
    void testSignsOfMarkupAreEscaped() {
        CPPUNIT_ASSERT_EQUAL(std::string("&lt;a b=&quot;c&quot; d=&#39;&amp;amp;&#39;&gt; é"),
                             markupText("<a b=\"c\" d='&amp;'> é"));
    }

    void testControlCharactersAreShown() {
        CPPUNIT_ASSERT_EQUAL(std::string("\\x1b[0m \\x9b \\x00 \\x7f\n\t"),
                             printable(std::string_view("\x1b[0m \xc2\x9b \0 \x7f\n\t", 13)));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(MarkupTextTest);

}  // namespace Passenger
