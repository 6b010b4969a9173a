#include "policy/CpuUse.h"

#include <cppunit/extensions/HelperMacros.h>

namespace Passenger {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

class CpuUseTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(CpuUseTest);
    CPPUNIT_TEST(testAProcessOnlyWaitsIfItHasHardlyComputedSinceTheLastLook);
    CPPUNIT_TEST(testALookIsDueASecondAfterTheLastOne);
    CPPUNIT_TEST(testAProcessThatComputesAgainNoLongerOnlyWaits);
    CPPUNIT_TEST_SUITE_END();

    static constexpr MonotonicTime NOW{1h};

public:
    void testAProcessOnlyWaitsIfItHasHardlyComputedSinceTheLastLook() {
        struct Case {
            const char *what;
            nanoseconds after;
            std::optional<nanoseconds> first;
            std::optional<nanoseconds> second;
            bool onlyWaits;
        };
        const Case cases[] = {
            {"nothing", 1s, 5s, 5s, true},
            {"less than a fiftieth", 1s, 5s, 5019ms, true},
            {"a fiftieth", 1s, 5s, 5020ms, false},
            {"a fiftieth of a longer time", 3s, 5s, 5059ms, true},
            {"too long a time", 3001ms, 5s, 5s, false},
            {"less than before", 1s, 5s, 4s, false},
            {"not known before", 1s, std::nullopt, 5s, false},
            {"not known", 1s, 5s, std::nullopt, false},
        };
        for (const Case &each : cases) {
            CpuUse use;
            use.note(NOW, each.first);
            CPPUNIT_ASSERT_MESSAGE(each.what, !use.onlyWaits());
            use.note(NOW + each.after, each.second);
            CPPUNIT_ASSERT_EQUAL_MESSAGE(each.what, each.onlyWaits, use.onlyWaits());
        }
    }

    void testALookIsDueASecondAfterTheLastOne() {
        CpuUse use;
        CPPUNIT_ASSERT(use.isDue(NOW));
        use.note(NOW, 5s);
        CPPUNIT_ASSERT(!use.isDue(NOW + 999ms));
        CPPUNIT_ASSERT(use.isDue(NOW + 1s));
    }

    void testAProcessThatComputesAgainNoLongerOnlyWaits() {
        CpuUse use;
        use.note(NOW, 5s);
        use.note(NOW + 1s, 5s);
        CPPUNIT_ASSERT(use.onlyWaits());
        use.note(NOW + 2s, 6s);
        CPPUNIT_ASSERT(!use.onlyWaits());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(CpuUseTest);

}  // namespace Passenger
