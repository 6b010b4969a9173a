#include "base/Split.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>
#include <string_view>
#include <vector>

namespace Passenger {

class SplitTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(SplitTest);
    CPPUNIT_TEST(testAPieceIsTakenWithItsSeparator);
    CPPUNIT_TEST(testATextIsSplitAtItsSeparators);
    CPPUNIT_TEST(testASeparatorAtTheEndBeginsNoPiece);
    CPPUNIT_TEST(testAnEmptyTextHasNoPieces);
    CPPUNIT_TEST(testTheTextBehindALabelEndsWithItsLine);
    CPPUNIT_TEST_SUITE_END();

    using Pieces = std::vector<std::string>;

public:
    void testAPieceIsTakenWithItsSeparator() {
        std::string_view text = "a,,b";
        CPPUNIT_ASSERT(takePiece(text, ',') == "a" && text == ",b");
        CPPUNIT_ASSERT(takePiece(text, ',').empty() && text == "b");
        CPPUNIT_ASSERT(takePiece(text, ',') == "b" && text.empty());
        CPPUNIT_ASSERT(takePiece(text, ',').empty() && text.empty());
    }

    void testATextIsSplitAtItsSeparators() { CPPUNIT_ASSERT(split("a\n\nb c", '\n') == (Pieces{"a", "", "b c"})); }

    void testASeparatorAtTheEndBeginsNoPiece() {
        CPPUNIT_ASSERT(split("a\tb\t", '\t') == (Pieces{"a", "b"}));
        CPPUNIT_ASSERT(split("\n", '\n') == Pieces{""});
    }

    void testAnEmptyTextHasNoPieces() { CPPUNIT_ASSERT(split("", '\n').empty()); }

    void testTheTextBehindALabelEndsWithItsLine() {
        const std::string text = "Name:\tUid: 7\nUid:\t1\t2\nUid:\t3\n\nEnd:";
        CPPUNIT_ASSERT_EQUAL(std::string("\t1\t2"), afterLabel(text, "Uid:"));
        CPPUNIT_ASSERT_EQUAL(std::string(), afterLabel(text, "End:"));
        CPPUNIT_ASSERT_EQUAL(std::string(), afterLabel(text, "Gid:"));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SplitTest);

}  // namespace Passenger
