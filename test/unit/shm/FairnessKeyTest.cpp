#include "shm/FairnessKey.h"

#include <cppunit/TestFixture.h>
#include <cppunit/extensions/HelperMacros.h>

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <utility>

namespace Passenger {

class FairnessKeyTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(FairnessKeyTest);
    CPPUNIT_TEST(testTheLowestBitsOfTheHashNameTheCells);
    CPPUNIT_TEST(testManyHashesAreSpreadOverTheCells);
    CPPUNIT_TEST_SUITE_END();

    static constexpr unsigned TEXTS = 1000;

    using Cells = std::pair<std::uint32_t, std::uint32_t>;

    static Cells cellsOf(std::uint64_t hash) {
        const FairnessKey key(hash);
        return {key.cell(0), key.cell(1)};
    }

public:
    /** Seven for each row: all children of an agent must agree (doc/PROTOCOLS.md). */
    void testTheLowestBitsOfTheHashNameTheCells() {
        CPPUNIT_ASSERT(Cells(5, 9) == cellsOf(0xfffffffffffc0000 | 9 << 7 | 5));
        CPPUNIT_ASSERT(Cells(0, 0) == cellsOf(0));
    }

    void testManyHashesAreSpreadOverTheCells() {
        std::set<std::uint32_t> first;
        std::set<std::uint32_t> second;
        std::set<Cells> both;
        for (unsigned i = 0; i < TEXTS; i++) {
            const Cells cells = cellsOf(std::hash<std::string>()(std::to_string(i)));
            CPPUNIT_ASSERT(cells.first < SenderMemoryLayout::KEY_CELLS);
            CPPUNIT_ASSERT(cells.second < SenderMemoryLayout::KEY_CELLS);
            first.insert(cells.first);
            second.insert(cells.second);
            both.insert(cells);
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{SenderMemoryLayout::KEY_CELLS}, first.size());
        CPPUNIT_ASSERT_EQUAL(std::size_t{SenderMemoryLayout::KEY_CELLS}, second.size());
        CPPUNIT_ASSERT(both.size() > TEXTS * 9 / 10);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(FairnessKeyTest);

}  // namespace Passenger
