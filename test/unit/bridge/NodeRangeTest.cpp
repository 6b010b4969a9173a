#include "bridge/NodeRange.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>
#include <vector>

namespace Passenger::Bridge {

class NodeRangeTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(NodeRangeTest);
    CPPUNIT_TEST(testVersionsAreThoseThatNpmAllows);
    CPPUNIT_TEST(testTextsThatAreNotUnderstoodAreToldApart);
    CPPUNIT_TEST(testAVersionHasThreeNumbers);
    CPPUNIT_TEST_SUITE_END();

public:
    void testVersionsAreThoseThatNpmAllows() {
        struct Case {
            const char *range;
            std::vector<const char *> allowed, refused;
        };
        const Case cases[] = {
            {"20", {"20.0.0", "20.9.1"}, {"19.9.9", "21.0.0"}},
            {"v20.11.1", {"20.11.1"}, {"20.11.0", "20.11.2"}},
            {"20.x", {"20.3.0"}, {"21.0.0"}},
            {"", {"4.0.0"}, {}},
            {"node", {"22.0.0"}, {}},
            {"*", {"22.0.0"}, {}},
            {"lts/*", {"20.0.0", "22.1.0"}, {"21.0.0"}},
            {"lts/iron", {"20.5.0"}, {"18.0.0", "22.0.0"}},
            {"lts/lithium", {"26.13.0"}, {"24.0.0", "27.0.0"}},
            {">=18", {"18.0.0", "22.0.0"}, {"17.9.9"}},
            {">= 18 <21", {"18.0.0", "20.99.0"}, {"21.0.0"}},
            {">18", {"19.0.0"}, {"18.9.0"}},
            {"<=18", {"18.9.0", "4.0.0"}, {"19.0.0"}},
            {"^20.3.0 || 22.x", {"20.3.0", "20.9.0", "22.7.0"}, {"20.2.9", "21.0.0", "23.0.0"}},
            {"~20.3", {"20.3.9"}, {"20.4.0"}},
            {"^0.10.2", {"0.10.9"}, {"0.11.0"}},
            {"16 - 18", {"16.0.0", "18.20.0"}, {"15.9.0", "19.0.0"}},
        };
        for (const Case &one : cases) {
            const auto range = NodeRange::parse(one.range);
            CPPUNIT_ASSERT_MESSAGE(one.range, range);
            for (const char *version : one.allowed) {
                CPPUNIT_ASSERT_MESSAGE(std::string(one.range) + " " + version,
                                       range->allows(*parseNodeVersion(version)));
            }
            for (const char *version : one.refused) {
                CPPUNIT_ASSERT_MESSAGE(std::string(one.range) + " " + version,
                                       !range->allows(*parseNodeVersion(version)));
            }
        }
    }

    void testTextsThatAreNotUnderstoodAreToldApart() {
        for (const char *text : {"lts/unheard", "twenty", ">=", "20 -", "1.2.3.4", "<>3", "20.y"}) {
            CPPUNIT_ASSERT_MESSAGE(text, !NodeRange::parse(text));
        }
    }

    void testAVersionHasThreeNumbers() {
        CPPUNIT_ASSERT(parseNodeVersion("v20.11.1") == NodeVersion({20, 11, 1}));
        CPPUNIT_ASSERT(parseNodeVersion("v20.11.1-linux-x64") == NodeVersion({20, 11, 1}));
        for (const char *text : {"20", "20.11", "", "node", "v", "99999999999999.0.0"}) {
            CPPUNIT_ASSERT_MESSAGE(text, !parseNodeVersion(text));
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(NodeRangeTest);

}  // namespace Passenger::Bridge
