#include "pool/ClaimCells.h"

#include <cppunit/extensions/HelperMacros.h>
#include <unistd.h>

#include <cstdint>
#include <memory>

#include "support/LeakCheck.h"

namespace Passenger {

class ClaimCellsTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(ClaimCellsTest);
    CPPUNIT_TEST(testInstancesGetCellsOfTheirOwn);
    CPPUNIT_TEST(testFreedCellsAreReusedWithoutTheirClaims);
    CPPUNIT_TEST(testCellsAreAllocatedInARow);
    CPPUNIT_TEST(testNoMoreCellsThanTheLayoutHasAreAllocated);
    CPPUNIT_TEST(testAnInstanceGetsAtMostAnEighthOfTheFreeCells);
    CPPUNIT_TEST(testAnInstanceGetsWhatIsThereInARow);
    CPPUNIT_TEST(testAnInstanceGetsFewerCellsOfThoseInPieces);
    CPPUNIT_TEST(testTheClaimsOfAnInstanceAreThoseOfItsCells);
    CPPUNIT_TEST(testOnlyClaimsInFreeCellsAreStray);
    CPPUNIT_TEST(testTheCountsOfAnInstanceAreSummedAndTheNextOneBeginsWithNone);
    CPPUNIT_TEST(testADeathLeavesTheCountsAlone);
    CPPUNIT_TEST_SUITE_END();

    static constexpr std::uint32_t ALL = ClaimsLayout::CELLS;

    // Made in setUp(): CppUnit makes the fixtures of all tests before the first test runs.
    std::unique_ptr<ClaimCells> cells_;

    /** An instance writes this. */
    void write(std::uint32_t cell, const ClaimCell &value) {
        const auto offset = static_cast<off_t>(ClaimsLayout::offset(cell));
        CPPUNIT_ASSERT(::pwrite(cells_->claims().memory().descriptor().get(), &value, sizeof(value), offset) > 0);
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        cells_ = std::make_unique<ClaimCells>();
    }
    void tearDown() override {
        cells_.reset();
        LeakCheck::tearDown();
    }

    void testInstancesGetCellsOfTheirOwn() {
        CPPUNIT_ASSERT_EQUAL(0U, cells_->allocate(3)->first);
        CPPUNIT_ASSERT_EQUAL(3U, cells_->allocate(1)->first);
    }

    void testFreedCellsAreReusedWithoutTheirClaims() {
        const auto cells = cells_->allocate(2);
        write(1, {7, 9});
        cells_->free(*cells);
        CPPUNIT_ASSERT_EQUAL(0U, cells_->claims().taken());
        CPPUNIT_ASSERT_EQUAL(0U, cells_->allocate(2)->first);
    }

    void testCellsAreAllocatedInARow() {
        const auto first = cells_->allocate(2);
        cells_->allocate(1);
        cells_->free(*first);
        CPPUNIT_ASSERT_EQUAL(3U, cells_->allocate(3)->first);
        CPPUNIT_ASSERT_EQUAL(0U, cells_->allocate(2)->first);
    }

    void testNoMoreCellsThanTheLayoutHasAreAllocated() {
        CPPUNIT_ASSERT(!cells_->allocate(ALL + 1));
        CPPUNIT_ASSERT(cells_->allocate(ALL));
        CPPUNIT_ASSERT(!cells_->allocate(1));
    }

    void testAnInstanceGetsAtMostAnEighthOfTheFreeCells() {
        CPPUNIT_ASSERT_EQUAL(ALL / 8, cells_->allocate(ALL, 32)->count);
        CPPUNIT_ASSERT_EQUAL((ALL - ALL / 8) / 8, cells_->allocate(ALL, 32)->count);
        CPPUNIT_ASSERT_EQUAL(100U, cells_->allocate(100, 32)->count);
        // As many as it cannot do without, even so.
        CPPUNIT_ASSERT_EQUAL(ALL / 2, cells_->allocate(ALL, ALL / 2)->count);
    }

    void testAnInstanceGetsWhatIsThereInARow() {
        const auto first = cells_->allocate(600);
        CPPUNIT_ASSERT(cells_->allocate(ALL - 600));
        CPPUNIT_ASSERT(!cells_->allocate(64, 32));
        cells_->free(*first);
        CPPUNIT_ASSERT_EQUAL(75U, cells_->allocate(8192, 32)->count);
    }

    void testAnInstanceGetsFewerCellsOfThoseInPieces() {
        CPPUNIT_ASSERT(cells_->allocate(ALL));
        for (std::uint32_t piece = 0; piece < 100; piece++) {
            cells_->free({piece * 20, 10});
        }
        CPPUNIT_ASSERT_EQUAL(8U, cells_->allocate(64, 1)->count);
        CPPUNIT_ASSERT(!cells_->allocate(64, 11));
        CPPUNIT_ASSERT_EQUAL(10U, cells_->allocate(64, 10)->count);
    }

    void testTheClaimsOfAnInstanceAreThoseOfItsCells() {
        const CellRange cells = cells_->allocate(3).value();
        write(cells_->allocate(1)->first, {7, 8});
        write(cells.first + 1, {7, 9});
        const std::pair request(ChannelId(7), Ticket(9));
        CPPUNIT_ASSERT((cells_->claimed(cells) == std::vector{request}));
        CPPUNIT_ASSERT_EQUAL(1U, cells_->taken(cells));
        CPPUNIT_ASSERT(cells_->holds(cells, ChannelId(7), Ticket(9)));
        CPPUNIT_ASSERT(!cells_->holds(cells, ChannelId(7), Ticket(8)));
    }

    void testOnlyClaimsInFreeCellsAreStray() {
        const CellRange cells = cells_->allocate(1).value();
        write(cells.first, {7, 9});
        write(50, {7, 10});
        cells_->clearStrayClaims();
        CPPUNIT_ASSERT(cells_->claims().read(cells.first));
        CPPUNIT_ASSERT(!cells_->claims().read(50));
    }

    void testTheCountsOfAnInstanceAreSummedAndTheNextOneBeginsWithNone() {
        const CellRange cells = cells_->allocate(3).value();
        write(cells_->allocate(1)->first, {0, 0, 1000, 1000});
        write(cells.first, {0, 0, 3, 100});
        write(cells.first + 1, {7, 9, 4, 300});
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{7}, cells_->answered(cells).count);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{300}, cells_->answered(cells).last);
        // Another instance has written behind the end of this one.
        cells_->free(cells);
        write(cells.first + 2, {0, 0, 5, 500});
        CPPUNIT_ASSERT_EQUAL(cells.first, cells_->allocate(3)->first);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, cells_->answered(cells).count);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, cells_->answered(cells).last);
    }

    void testADeathLeavesTheCountsAlone() {
        const CellRange cells = cells_->allocate(1).value();
        write(cells.first, {7, 9, 4, 300});
        cells_->claims().noteDeath(cells.first, false);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{7} | ClaimsLayout::DIED, cells_->claims().read(cells.first)->channel);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{4}, cells_->answered(cells).count);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{300}, cells_->answered(cells).last);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ClaimCellsTest);

}  // namespace Passenger
