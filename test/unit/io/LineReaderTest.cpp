#include "io/LineReader.h"

#include <cppunit/extensions/HelperMacros.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "support/LeakCheck.h"

namespace Passenger {

class LineReaderTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(LineReaderTest);
    CPPUNIT_TEST(testLinesComeWithoutTheirBreaks);
    CPPUNIT_TEST(testALineMayComeByteByByte);
    CPPUNIT_TEST(testFinishReturnsTheRestOnce);
    CPPUNIT_TEST(testALineAsLongAsTheLimitIsNotCut);
    CPPUNIT_TEST(testALongerLineIsCut);
    CPPUNIT_TEST(testALineBreakInTwoPiecesIsOneLineBreak);
    CPPUNIT_TEST(testACarriageReturnWithinALineStays);
    CPPUNIT_TEST(testTheLinesDoNotDependOnThePieces);
    CPPUNIT_TEST(testALineIsNotRepeatedAfterTheCallbackThrew);
    CPPUNIT_TEST_SUITE_END();

    using Lines = std::vector<std::string>;

    LineReader reader_;
    Lines lines_;
    const LineReader::LineCallback collect_ = [this](std::string_view line) { lines_.emplace_back(line); };

    void feed(std::string_view bytes) { reader_.feed(bytes, collect_); }

public:
    void testLinesComeWithoutTheirBreaks() {
        feed("one\ntwo\r\n\n\r\nthree");
        CPPUNIT_ASSERT(Lines({"one", "two", "", ""}) == lines_);
    }

    void testALineMayComeByteByByte() {
        for (const char byte : std::string("one\r\ntwo\n")) {
            feed({&byte, 1});
        }
        CPPUNIT_ASSERT(Lines({"one", "two"}) == lines_);
    }

    void testFinishReturnsTheRestOnce() {
        feed("rest");
        reader_.finish(collect_);
        reader_.finish(collect_);
        CPPUNIT_ASSERT(Lines({"rest"}) == lines_);
    }

    void testALineAsLongAsTheLimitIsNotCut() {
        const std::string line(LineReader::MAX_LINE, 'x');
        feed(line + "\n" + line + "\r\n");
        CPPUNIT_ASSERT(Lines({line, line}) == lines_);
    }

    void testALongerLineIsCut() {
        const std::string line(LineReader::MAX_LINE, 'x');
        feed(line + line + "y\n");
        CPPUNIT_ASSERT(Lines({line, line, "y"}) == lines_);
    }

    void testALineBreakInTwoPiecesIsOneLineBreak() {
        const std::string line(LineReader::MAX_LINE, 'x');
        feed(line + "\r");
        feed("\n");
        CPPUNIT_ASSERT(Lines({line}) == lines_);
    }

    void testACarriageReturnWithinALineStays() {
        feed("50 %\r100 %\n");
        CPPUNIT_ASSERT(Lines({"50 %\r100 %"}) == lines_);
    }

    void testTheLinesDoNotDependOnThePieces() {
        std::mt19937 random(1);
        std::string text;
        for (int i = 0; i < 200'000; i++) {
            text += "ab\r\n"[random() % 2000 == 0 ? 3 : random() % 3];
        }
        feed(text);
        reader_.finish(collect_);
        const Lines whole = std::exchange(lines_, {});
        for (std::size_t begin = 0; begin < text.size();) {
            const std::size_t size = 1 + random() % 5000;
            feed(std::string_view(text).substr(begin, size));
            begin += size;
        }
        reader_.finish(collect_);
        CPPUNIT_ASSERT(whole == lines_);
    }

    void testALineIsNotRepeatedAfterTheCallbackThrew() {
        CPPUNIT_ASSERT_THROW(reader_.feed("bad\n", [](std::string_view) { throw 1; }), int);
        feed("good\n");
        CPPUNIT_ASSERT(Lines({"good"}) == lines_);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(LineReaderTest);

}  // namespace Passenger
