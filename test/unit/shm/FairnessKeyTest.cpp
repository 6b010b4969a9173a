#include "shm/FairnessKey.h"

#include <cppunit/TestFixture.h>
#include <cppunit/extensions/HelperMacros.h>

#include <set>
#include <string>
#include <utility>

namespace Passenger {

class FairnessKeyTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(FairnessKeyTest);
    CPPUNIT_TEST(testTheSameTextHasTheSameCells);
    CPPUNIT_TEST(testTheSecretDecidesWhichTextsHaveTheSameCells);
    CPPUNIT_TEST(testManyTextsAreSpreadOverTheCells);
    CPPUNIT_TEST_SUITE_END();

    static constexpr FairnessKey::Secret SECRET{1, 2, 3};
    static constexpr unsigned TEXTS = 1000;

    using Cells = std::pair<std::uint32_t, std::uint32_t>;

    static Cells cellsOf(const std::string &text, const FairnessKey::Secret &secret = SECRET) {
        const FairnessKey key(text, secret);
        return {key.cell(0), key.cell(1)};
    }

public:
    void testTheSameTextHasTheSameCells() {
        CPPUNIT_ASSERT(cellsOf("alice") == cellsOf("alice"));
        CPPUNIT_ASSERT(cellsOf("alice") != cellsOf("bob"));
    }

    void testTheSecretDecidesWhichTextsHaveTheSameCells() {
        unsigned same = 0;
        for (unsigned i = 0; i < TEXTS; i++) {
            same += cellsOf(std::to_string(i)) == cellsOf(std::to_string(i), {4, 5}) ? 1 : 0;
        }
        CPPUNIT_ASSERT(same < TEXTS / 100);
    }

    void testManyTextsAreSpreadOverTheCells() {
        std::set<std::uint32_t> first;
        std::set<std::uint32_t> second;
        std::set<Cells> both;
        for (unsigned i = 0; i < TEXTS; i++) {
            const Cells cells = cellsOf(std::to_string(i));
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
