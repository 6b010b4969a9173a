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
        CPPUNIT_ASSERT_EQUAL(std::string(R"("/srv/\"blog\"\\\n\u0001\u00e9")"), jsonString("/srv/\"blog\"\\\n\x01é"));
        CPPUNIT_ASSERT_EQUAL(std::string("é"), jsonText("é"));
    }

    void testBytesThatAreNotUtf8AreReplaced() {
        CPPUNIT_ASSERT_EQUAL(std::string(R"("a\ufffdb")"), jsonString("a\xFF"
                                                                      "b"));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(JsonTest);

}  // namespace Passenger
