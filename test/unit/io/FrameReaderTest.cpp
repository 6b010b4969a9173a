#include "io/Frame.h"

#include <cppunit/extensions/HelperMacros.h>
#include <unistd.h>

#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "io/LittleEndian.h"
#include "support/Expect.h"
#include "support/LeakCheck.h"

namespace Passenger {

namespace {

std::string header(std::uint32_t length, std::uint16_t type, std::uint16_t descriptors) {
    std::string bytes;
    appendLittleEndian(bytes, length);
    appendLittleEndian(bytes, type);
    appendLittleEndian(bytes, descriptors);
    return bytes;
}

std::vector<FileDescriptor> someDescriptors(std::size_t count) {
    std::vector<FileDescriptor> result;
    while (result.size() < count) {
        result.push_back(makePipe().first);
    }
    return result;
}

/** All frames of a reader, as a text that can be compared. */
std::string drain(FrameReader &reader) {
    std::string result;
    try {
        while (const auto frame = reader.next()) {
            result += frame->encode();
        }
    } catch (const ProtocolException &exception) {
        result += exception.what();
    }
    return result;
}

}  // namespace

class FrameReaderTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(FrameReaderTest);
    CPPUNIT_TEST(testAFrameMayComeByteByByte);
    CPPUNIT_TEST(testSeveralFramesMayComeAtOnce);
    CPPUNIT_TEST(testTheReaderKnowsWhetherAFrameHasBegun);
    CPPUNIT_TEST(testTheLargestFrameIsAcceptedAndALargerOneRefusedAtItsHeader);
    CPPUNIT_TEST(testAReaderThatTrustsTheSenderTakesLargerFrames);
    CPPUNIT_TEST(testTooManyFieldsAreRefused);
    CPPUNIT_TEST(testAFieldThatReachesBeyondItsFrameIsRefused);
    CPPUNIT_TEST(testAFrameThatEndsWithinALengthIsRefused);
    CPPUNIT_TEST(testDescriptorsGoToTheirFrames);
    CPPUNIT_TEST(testTooManyAnnouncedDescriptorsAreRefused);
    CPPUNIT_TEST(testFewerDescriptorsThanAnnouncedAreRefused);
    CPPUNIT_TEST(testMoreDescriptorsThanAnnouncedAreRefused);
    CPPUNIT_TEST(testDescriptorsWithoutAFrameAreRefused);
    CPPUNIT_TEST(testDescriptorsOfAnUnfinishedFrameAreClosed);
    CPPUNIT_TEST(testFramesBeforeAnErrorAreStillReturned);
    CPPUNIT_TEST(testAnErrorStays);
    CPPUNIT_TEST(testEachFrameHasItsSender);
    CPPUNIT_TEST(testAFrameOfTwoSendersIsRefused);
    CPPUNIT_TEST(testRandomBytesDoNoHarm);
    CPPUNIT_TEST(testDamagedFramesDoNoHarm);
    CPPUNIT_TEST_SUITE_END();

    void assertRefused(const std::string &bytes, std::size_t descriptors = 0) {
        FrameReader reader;
        reader.feed(bytes, someDescriptors(descriptors));
        thrownBy<ProtocolException>([&] { reader.next(); });
    }

    /** The same bytes in pieces of any size must give the same frames and the same error. */
    void assertPiecesDoNotMatter(const std::string &bytes, std::mt19937 &random) {
        FrameReader whole;
        whole.feed(bytes, {});
        const std::string expected = drain(whole);
        FrameReader reader;
        std::string result;
        bool failed = false;
        for (std::size_t begin = 0; begin < bytes.size() && !failed;) {
            const std::size_t size = 1 + random() % 40;
            reader.feed(std::string_view(bytes).substr(begin, size), {});
            begin += size;
            try {
                while (const auto frame = reader.next()) {
                    result += frame->encode();
                }
            } catch (const ProtocolException &exception) {
                result += exception.what();
                failed = true;
            }
        }
        CPPUNIT_ASSERT(expected == result);
    }

public:
    void testAFrameMayComeByteByByte() {
        const std::string bytes = Frame(FrameType::STEP, {"load", "", std::string(300, 'x')}).encode();
        FrameReader reader;
        for (const char &byte : bytes) {
            CPPUNIT_ASSERT(!reader.next());
            reader.feed({&byte, 1}, {});
        }
        const auto frame = reader.next();
        CPPUNIT_ASSERT(frame);
        CPPUNIT_ASSERT(FrameType::STEP == frame->type);
        CPPUNIT_ASSERT(bytes == frame->encode());
        CPPUNIT_ASSERT(!reader.next());
    }

    void testSeveralFramesMayComeAtOnce() {
        const Frame first(FrameType::READY);
        const Frame second(FrameType::FETCH, {"7"});
        FrameReader reader;
        reader.feed(first.encode() + second.encode() + first.encode().substr(0, 3), {});
        CPPUNIT_ASSERT(FrameType::READY == reader.next()->type);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{7}, reader.next()->number(0));
        CPPUNIT_ASSERT(!reader.next());
        reader.feed(first.encode().substr(3), {});
        CPPUNIT_ASSERT(FrameType::READY == reader.next()->type);
    }

    void testTheReaderKnowsWhetherAFrameHasBegun() {
        const std::string bytes = Frame(FrameType::READY).encode();
        FrameReader reader;
        CPPUNIT_ASSERT(!reader.midFrame());
        reader.feed(bytes + bytes.substr(0, 1), {});
        CPPUNIT_ASSERT(reader.midFrame());
        reader.feed(bytes.substr(1), {});
        CPPUNIT_ASSERT(!reader.midFrame());
    }

    void testTheLargestFrameIsAcceptedAndALargerOneRefusedAtItsHeader() {
        FrameReader reader;
        const Frame largest(FrameType::LOAD, {std::string(Frame::MAX_SIZE - 4, 'x')});
        reader.feed(largest.encode(), {});
        CPPUNIT_ASSERT_EQUAL(Frame::MAX_SIZE - 4, reader.next()->field(0).size());
        assertRefused(header(Frame::MAX_SIZE + 1, 49, 0));
        assertRefused(header(0xFFFFFFFF, 49, 0));
    }

    void testAReaderThatTrustsTheSenderTakesLargerFrames() {
        FrameReader reader(2 * Frame::MAX_SIZE);
        reader.feed(Frame(FrameType::SETTINGS, {std::string(2 * Frame::MAX_SIZE - 4, 'x')}).encode(), {});
        CPPUNIT_ASSERT_EQUAL(2 * Frame::MAX_SIZE - 4, reader.next()->field(0).size());
        reader.feed(header(2 * Frame::MAX_SIZE + 1, 49, 0), {});
        thrownBy<ProtocolException>([&] { reader.next(); });
    }

    void testTooManyFieldsAreRefused() {
        FrameReader reader;
        reader.feed(header(4 * Frame::MAX_FIELDS, 49, 0) + std::string(4 * Frame::MAX_FIELDS, '\0'), {});
        CPPUNIT_ASSERT_EQUAL(Frame::MAX_FIELDS, reader.next()->fields.size());
        assertRefused(header(4 * (Frame::MAX_FIELDS + 1), 49, 0) + std::string(4 * (Frame::MAX_FIELDS + 1), '\0'));
    }

    void testAFieldThatReachesBeyondItsFrameIsRefused() {
        assertRefused(header(5, 49, 0) + std::string("\x02\0\0\0a", 5));
        assertRefused(header(5, 49, 0) + std::string("\xff\xff\xff\xff"
                                                     "a",
                                                     5));
        // The bytes of the next frame must not be used.
        assertRefused(header(5, 49, 0) + std::string("\x02\0\0\0a", 5) + Frame(FrameType::READY).encode());
    }

    void testAFrameThatEndsWithinALengthIsRefused() { assertRefused(header(3, 49, 0) + std::string(3, '\0')); }

    void testDescriptorsGoToTheirFrames() {
        FrameReader reader;
        auto first = someDescriptors(2);
        const int number = first[1].get();
        reader.feed(header(0, 4, 2), std::move(first));
        reader.feed(header(0, 7, 0), {});
        reader.feed(header(0, 2, 1).substr(0, 1), someDescriptors(1));
        reader.feed(header(0, 2, 1).substr(1), {});
        auto frame = reader.next();
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, frame->descriptors.size());
        CPPUNIT_ASSERT_EQUAL(number, frame->takeDescriptor(1).get());
        CPPUNIT_ASSERT(reader.next()->descriptors.empty());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, reader.next()->descriptors.size());
    }

    void testTooManyAnnouncedDescriptorsAreRefused() {
        FrameReader reader;
        reader.feed(header(0, 69, MAX_DESCRIPTORS), someDescriptors(MAX_DESCRIPTORS));
        CPPUNIT_ASSERT_EQUAL(MAX_DESCRIPTORS, reader.next()->descriptors.size());
        assertRefused(header(0, 69, MAX_DESCRIPTORS + 1), MAX_DESCRIPTORS + 1);
    }

    void testFewerDescriptorsThanAnnouncedAreRefused() {
        assertRefused(header(0, 4, 1));
        assertRefused(header(0, 4, 3), 2);
        constexpr auto CHANNEL = static_cast<std::uint16_t>(FrameType::CHANNEL);
        assertRefused(header(0, CHANNEL, 2), 1);
        FrameReader reader;
        reader.feed(header(0, CHANNEL, 1), {});
        CPPUNIT_ASSERT(reader.next()->descriptors.empty());
    }

    void testMoreDescriptorsThanAnnouncedAreRefused() {
        assertRefused(header(0, 4, 0), 1);
        assertRefused(header(100, 4, 1), 2);
        assertRefused("x", MAX_DESCRIPTORS + 1);
    }

    void testDescriptorsWithoutAFrameAreRefused() { assertRefused("", 1); }

    void testDescriptorsOfAnUnfinishedFrameAreClosed() {
        // The fixture checks that they are closed.
        FrameReader reader;
        reader.feed(header(100, 4, 2), someDescriptors(2));
        CPPUNIT_ASSERT(!reader.next());
    }

    void testFramesBeforeAnErrorAreStillReturned() {
        FrameReader reader;
        reader.feed(Frame(FrameType::READY).encode() + header(Frame::MAX_SIZE + 1, 49, 0), {});
        CPPUNIT_ASSERT(FrameType::READY == reader.next()->type);
        thrownBy<ProtocolException>([&] { reader.next(); });
    }

    void testAnErrorStays() {
        FrameReader reader;
        reader.feed(header(3, 49, 0) + "abc", {});
        thrownBy<ProtocolException>([&] { reader.next(); });
        reader.feed(Frame(FrameType::READY).encode(), someDescriptors(1));
        thrownBy<ProtocolException>([&] { reader.next(); });
    }

    void testEachFrameHasItsSender() {
        const std::string bytes = Frame(FrameType::PROCESS_HELLO).encode();
        FrameReader reader;
        reader.feed(bytes, {}, {10, 1, 1});
        reader.feed(bytes, {}, {20, 2, 2});
        CPPUNIT_ASSERT_EQUAL(pid_t{10}, reader.next()->sender.pid);
        CPPUNIT_ASSERT_EQUAL(pid_t{20}, reader.next()->sender.pid);
    }

    void testAFrameOfTwoSendersIsRefused() {
        const std::string bytes = Frame(FrameType::PROCESS_HELLO).encode();
        FrameReader reader;
        reader.feed(bytes.substr(0, 4), {}, {10, 1, 1});
        reader.feed(bytes.substr(4), {}, {20, 1, 1});
        thrownBy<ProtocolException>([&] { reader.next(); });
    }

    void testRandomBytesDoNoHarm() {
        std::mt19937 random(4711);
        for (int round = 0; round < 3000; round++) {
            std::string bytes;
            // Mostly small numbers in the places of lengths, so that some frames pass the check of
            // their header.
            const bool small = random() % 4 != 0;
            while (bytes.size() < 200) {
                bytes += static_cast<char>(small && random() % 3 != 0 ? random() % 2 : random() % 256);
            }
            assertPiecesDoNotMatter(bytes, random);
        }
    }

    void testDamagedFramesDoNoHarm() {
        const std::string frame = Frame(FrameType::LOAD, {"key", "value", "", std::string(40, 'x')}).encode();
        const std::string good = frame + frame + frame;
        std::mt19937 random(4712);
        for (int round = 0; round < 3000; round++) {
            std::string bytes = good;
            for (int damage = 0; damage < 3; damage++) {
                bytes[random() % bytes.size()] = static_cast<char>(random() % 256);
            }
            assertPiecesDoNotMatter(bytes, random);
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(FrameReaderTest);

}  // namespace Passenger
