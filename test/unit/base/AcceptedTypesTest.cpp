#include "base/AcceptedTypes.h"

#include <cppunit/extensions/HelperMacros.h>

namespace Passenger {

class AcceptedTypesTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(AcceptedTypesTest);
    CPPUNIT_TEST(testTypesHaveTheirQuality);
    CPPUNIT_TEST(testAMalformedHeaderIsTakenAsItIs);
    CPPUNIT_TEST_SUITE_END();

public:
    void testTypesHaveTheirQuality() {
        const auto types = acceptedTypes("text/html, application/x;version=1.0.0; q=0.5 ,*/*;q=0");
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, types.size());
        CPPUNIT_ASSERT(types[0].type == "text/html" && types[0].quality == 1);
        CPPUNIT_ASSERT(types[1].type == "application/x" && types[1].quality == 0.5);
        CPPUNIT_ASSERT(types[2].type == "*/*" && types[2].quality == 0);
    }

    void testAMalformedHeaderIsTakenAsItIs() {
        CPPUNIT_ASSERT(acceptedTypes("").empty());
        for (const char *accept : {",", ";;,", ";q=", "a;q=x", "\xff,\t"}) {
            for (const AcceptedType &one : acceptedTypes(accept)) {
                CPPUNIT_ASSERT_EQUAL_MESSAGE(accept, 1.0, one.quality);
            }
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(AcceptedTypesTest);

}  // namespace Passenger
