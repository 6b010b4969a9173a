#include "base/Json.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>

namespace Passenger {

class JsonTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(JsonTest);
    CPPUNIT_TEST(testAStringHasQuotesAndEscapes);
    CPPUNIT_TEST(testBytesThatAreNotUtf8AreReplaced);
    CPPUNIT_TEST_SUITE_END();

public:
    void testAStringHasQuotesAndEscapes() {
        CPPUNIT_ASSERT_EQUAL(std::string(R"("")"), jsonString(""));
        CPPUNIT_ASSERT_EQUAL(std::string(R"("/srv/\"blog\"\\\n\u0001é")"), jsonString("/srv/\"blog\"\\\n\x01é"));
    }

    void testBytesThatAreNotUtf8AreReplaced() {
        CPPUNIT_ASSERT_EQUAL(std::string("\"a\xEF\xBF\xBD"
                                         "b\""),
                             jsonString("a\xFF"
                                        "b"));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(JsonTest);

}  // namespace Passenger
