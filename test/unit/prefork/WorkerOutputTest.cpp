#include "prefork/WorkerOutput.h"

#include <cppunit/extensions/HelperMacros.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "base/FileDescriptor.h"
#include "support/LeakCheck.h"

namespace Passenger {

class WorkerOutputTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(WorkerOutputTest);
    CPPUNIT_TEST(testConstantsAreDistinguishedFromLines);
    CPPUNIT_TEST(testAConstantCannotOccurInText);
    CPPUNIT_TEST(testTheResultDoesNotDependOnThePieces);
    CPPUNIT_TEST(testAConstantWithinALineDoesNotEndTheLine);
    CPPUNIT_TEST(testAnIncompleteConstantIsText);
    CPPUNIT_TEST(testTheBeginningOfAConstantAtTheEndIsText);
    CPPUNIT_TEST(testNulBytesAreText);
    CPPUNIT_TEST(testALineWithoutABreakIsReturnedAtTheEnd);
    CPPUNIT_TEST(testALongLineIsCut);
    CPPUNIT_TEST(testAConstantInALongLineIsFound);
    CPPUNIT_TEST(testMessagesOfTellMonitorAreUnderstood);
    CPPUNIT_TEST_SUITE_END();

    using Items = std::vector<std::string>;

    static std::string text(std::string_view constant) { return std::string(constant); }
    /** Parses all bytes in pieces of `size` bytes. */
    static Items read(std::string_view bytes, std::size_t size = std::string_view::npos) {
        Items items;
        const auto note = [&](std::string_view output) { items.emplace_back(output); };
        WorkerOutput output;
        for (std::size_t at = 0; at < bytes.size(); at += std::min(size, bytes.size() - at)) {
            output.feed(bytes.substr(at, size), note);
        }
        output.finish(note);
        return items;
    }

public:
    void testConstantsAreDistinguishedFromLines() {
        const auto items = read(text(COMM_ACK) + "hello\n" + text(COMM_BUSY) + text(COMM_NOT_BUSY) + "COMM_ACK\n");
        CPPUNIT_ASSERT((items == Items{text(COMM_ACK), "hello", text(COMM_BUSY), text(COMM_NOT_BUSY), "COMM_ACK"}));
    }

    void testAConstantCannotOccurInText() {
        for (const auto constant : {COMM_ACK, COMM_BUSY, COMM_NOT_BUSY}) {
            for (const char byte : {constant.front(), constant.back()}) {
                // Neither byte occurs in UTF-8.
                CPPUNIT_ASSERT(static_cast<unsigned char>(byte) >= 0xFE);
            }
            CPPUNIT_ASSERT(constant.find('\n') == std::string_view::npos);
        }
    }

    void testTheResultDoesNotDependOnThePieces() {
        std::mt19937 random(4711);
        const std::vector<std::string> pieces = {text(COMM_ACK),
                                                 text(COMM_BUSY),
                                                 text(COMM_NOT_BUSY),
                                                 "a",
                                                 "\n",
                                                 "\xFF",
                                                 "\xFF\xFE",
                                                 "A",
                                                 "\xFE",
                                                 "line\n",
                                                 "\r"};
        for (int i = 0; i < 2000; i++) {
            std::string bytes;
            for (int j = 0; j < 12; j++) {
                bytes += pieces[std::uniform_int_distribution<std::size_t>(0, pieces.size() - 1)(random)];
            }
            const Items whole = read(bytes);
            for (std::size_t size = 1; size < 8; size++) {
                CPPUNIT_ASSERT(read(bytes, size) == whole);
            }
        }
    }

    void testAConstantWithinALineDoesNotEndTheLine() {
        CPPUNIT_ASSERT((read("hel" + text(COMM_BUSY) + "lo\n") == Items{text(COMM_BUSY), "hello"}));
    }

    void testAnIncompleteConstantIsText() {
        CPPUNIT_ASSERT((read("\xFF\xFEX\xFE\xFF\n\xFF\xFE"
                             "A\xFE\n") == Items{"\xFF\xFEX\xFE\xFF",
                                                 "\xFF\xFE"
                                                 "A\xFE"}));
        CPPUNIT_ASSERT((read("\xFF" + text(COMM_ACK) + "\n") == Items{text(COMM_ACK), "\xFF"}));
    }

    void testTheBeginningOfAConstantAtTheEndIsText() { CPPUNIT_ASSERT((read("end\xFF\xFE") == Items{"end\xFF\xFE"})); }

    void testNulBytesAreText() {
        const std::string line("a\0b", 3);
        CPPUNIT_ASSERT((read(line + "\n" + text(COMM_ACK)) == Items{line, text(COMM_ACK)}));
    }

    void testALineWithoutABreakIsReturnedAtTheEnd() {
        CPPUNIT_ASSERT((read(text(COMM_ACK) + "last words") == Items{text(COMM_ACK), "last words"}));
    }

    void testALongLineIsCut() {
        const std::string line(LineReader::MAX_LINE + 10, 'x');
        const auto items = read(line + "\n");
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, items.size());
        CPPUNIT_ASSERT_EQUAL(line, items[0] + items[1]);
    }

    void testAConstantInALongLineIsFound() {
        const std::string half(LineReader::MAX_LINE, 'x');
        const auto items = read(half + text(COMM_ACK) + half);
        CPPUNIT_ASSERT(std::count(items.begin(), items.end(), COMM_ACK) == 1);
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, items.size());
    }

    void testMessagesOfTellMonitorAreUnderstood() {
        const DescriptorPair pipe = makePipe();
        tellMonitor(pipe.second.get(), COMM_BUSY);
        char buffer[16];
        const ssize_t size = ::read(pipe.first.get(), buffer, sizeof buffer);
        CPPUNIT_ASSERT((read(std::string(buffer, static_cast<std::size_t>(size))) == Items{text(COMM_BUSY)}));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(WorkerOutputTest);

}  // namespace Passenger
