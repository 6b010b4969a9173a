#include "bridge/ChunkEnds.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>
#include <string_view>

#include "support/LeakCheck.h"

namespace Passenger {

using Bridge::ChunkEnds;

class ChunkEndsTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(ChunkEndsTest);
    CPPUNIT_TEST(testChunksBetweenLineEndsAreTaken);
    CPPUNIT_TEST(testLineEndsMayComeInPieces);
    CPPUNIT_TEST(testAChunkWithoutALineEndBehindItIsNone);
    CPPUNIT_TEST(testAChunkWithoutALineEndBeforeItIsNone);
    CPPUNIT_TEST_SUITE_END();

    /** Reads a chunk of three bytes as http_parser does: it looks at no line end. */
    static const char *read(std::string_view beforeIt, std::string_view fromItsBytesOn) {
        const std::string bytes = std::string(beforeIt) + std::string(fromItsBytesOn);
        ChunkEnds ends;
        if (ends.feed(bytes)) {
            ends.begin(3);
            ends.add(std::string_view(bytes).substr(beforeIt.size(), 3));
        }
        return ends.problem();
    }

public:
    void testChunksBetweenLineEndsAreTaken() {
        CPPUNIT_ASSERT(read("3\r\n", "abc\r\n0\r\n") == nullptr);
        CPPUNIT_ASSERT(read("3\r\n", "abc") == nullptr);
    }

    void testLineEndsMayComeInPieces() {
        ChunkEnds ends;
        const std::string size = "3\r\n";
        CPPUNIT_ASSERT(ends.feed(size));
        ends.begin(3);
        const std::string half = "ab";
        CPPUNIT_ASSERT(ends.feed(half) && ends.add(half));
        const std::string rest = "c\r";
        CPPUNIT_ASSERT(ends.feed(rest) && ends.add(std::string_view(rest).substr(0, 1)));
        CPPUNIT_ASSERT(ends.feed("\n0\r\n\r\n"));
        CPPUNIT_ASSERT(ends.problem() == nullptr);
    }

    void testAChunkWithoutALineEndBehindItIsNone() {
        CPPUNIT_ASSERT(read("3\r\n", "abcX\n0\r\n") != nullptr);
        CPPUNIT_ASSERT(read("3\r\n", "abc\r0\r\n") != nullptr);
        ChunkEnds ends;
        const std::string bytes = "3\r\nabc\r";
        CPPUNIT_ASSERT(ends.feed(bytes));
        ends.begin(3);
        CPPUNIT_ASSERT(ends.add(std::string_view(bytes).substr(3, 3)));
        CPPUNIT_ASSERT(!ends.feed("X"));
        CPPUNIT_ASSERT(ends.problem() != nullptr);
    }

    void testAChunkWithoutALineEndBeforeItIsNone() { CPPUNIT_ASSERT(read("3\rX", "abc\r\n") != nullptr); }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ChunkEndsTest);

}  // namespace Passenger
