#include "bridge/BodySource.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shm/Layouts.h"
#include "support/Expect.h"
#include "support/LeakCheck.h"

namespace Passenger {

namespace {

constexpr std::uint64_t FIRST = 4;
constexpr std::uint64_t LAST_TICKET = 5;

FileDescriptor fileOf(std::string_view content) {
    FileDescriptor file(memfd_create("body", MFD_CLOEXEC));
    CPPUNIT_ASSERT_EQUAL(static_cast<ssize_t>(content.size()), write(file.get(), content.data(), content.size()));
    return file;
}

}  // namespace

/** What a bridge gets of a request behind its first message. */
class BodySourceTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(BodySourceTest);
    CPPUNIT_TEST(testAFileIsReadWholeAndClosed);
    CPPUNIT_TEST(testAFileComesBehindTheRestOfAHead);
    CPPUNIT_TEST(testAFileOfAnotherExchangeIsDropped);
    CPPUNIT_TEST(testAFileThatWasNotAnnouncedIsDropped);
    CPPUNIT_TEST(testAFileThatBecomesEmptyIsABrokenBody);
    CPPUNIT_TEST(testAFileThatLostItsDescriptorIsNoFaultOfTheClient);
    CPPUNIT_TEST(testAnEmptyFileIsTheEnd);
    CPPUNIT_TEST(testTheEndOfTheChannelBreaksTheBody);
    CPPUNIT_TEST(testAHeadComesInPieces);
    CPPUNIT_TEST_SUITE_END();

    DescriptorPair pair_;
    Bridge::Channel channel_;
    std::vector<char> buffer_ = std::vector<char>(Bridge::BodySource::BUFFER_SIZE);

    Bridge::BodySource source(bool mayBeFile = true) { return {channel_, FIRST, LAST_TICKET, mayBeFile}; }

    void sendFile(const FileDescriptor &file, std::uint64_t size, std::uint64_t ticket = LAST_TICKET) {
        sendFile(size, ticket, std::array{file.get()});
    }

    void sendFile(std::uint64_t size, std::uint64_t ticket, std::span<const int> descriptors) {
        MessageHeader header{};
        header.ticket = ticket;
        header.type = MessageType::BODY_FILE;
        header.flags = LAST;
        std::string message(reinterpret_cast<const char *>(&header), sizeof(header));
        message.append(reinterpret_cast<const char *>(&size), sizeof(size));
        sendWithDescriptors(pair_.first, message, descriptors);
    }

    void sendPiece(std::string_view bytes, bool last) {
        MessageHeader header{};
        header.ticket = LAST_TICKET;
        header.type = MessageType::BODY;
        header.flags = last ? LAST : 0;
        std::string message(reinterpret_cast<const char *>(&header), sizeof(header));
        message += bytes;
        sendWithDescriptors(pair_.first, message, {});
    }

    std::string_view receive(Bridge::BodySource &source) { return source.receive(buffer_); }

    std::string rest(Bridge::BodySource &source) {
        std::string bytes;
        while (!source.ended()) {
            bytes += receive(source);
        }
        return bytes;
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        pair_ = makeSeqPacketPair();
        channel_.end = std::move(pair_.second);
    }

    void tearDown() override {
        pair_ = {};
        channel_.end.reset();
        LeakCheck::tearDown();
    }

    void testAFileIsReadWholeAndClosed() {
        const std::string content(200'000, 'x');
        sendFile(fileOf(content), content.size());
        Bridge::BodySource source = this->source();
        CPPUNIT_ASSERT(receive(source).empty());
        CPPUNIT_ASSERT(source.hasUnread());
        CPPUNIT_ASSERT(rest(source) == content);
        CPPUNIT_ASSERT(!source.hasUnread());
    }

    void testAFileComesBehindTheRestOfAHead() {
        sendPiece("head", false);
        sendFile(fileOf("body"), 4);
        Bridge::BodySource source = this->source();
        std::string head;
        CPPUNIT_ASSERT(source.complete(head, 4, buffer_));
        CPPUNIT_ASSERT_EQUAL(std::string("head"), head);
        CPPUNIT_ASSERT_EQUAL(std::string("body"), rest(source));
    }

    void testAFileOfAnotherExchangeIsDropped() {
        sendFile(fileOf("former"), 6, FIRST - 1);
        sendFile(fileOf("body"), 4, FIRST);
        Bridge::BodySource source = this->source();
        CPPUNIT_ASSERT_EQUAL(std::string("body"), rest(source));
    }

    void testAFileThatWasNotAnnouncedIsDropped() {
        sendFile(fileOf("file"), 4);
        sendPiece("piece", true);
        Bridge::BodySource source = this->source(false);
        CPPUNIT_ASSERT_EQUAL(std::string("piece"), rest(source));
    }

    void testAFileThatBecomesEmptyIsABrokenBody() {
        const std::string content(100'000, 'x');
        const FileDescriptor file = fileOf(content);
        sendFile(file, content.size());
        Bridge::BodySource source = this->source();
        receive(source);
        CPPUNIT_ASSERT(!receive(source).empty());
        CPPUNIT_ASSERT_EQUAL(0, ftruncate(file.get(), 0));
        CPPUNIT_ASSERT_THROW(receive(source), Bridge::BodyBrokenOff);
    }

    /** As in a process without room for one more. */
    void testAFileThatLostItsDescriptorIsNoFaultOfTheClient() {
        sendFile(4, LAST_TICKET, {});
        Bridge::BodySource source = this->source();
        CPPUNIT_ASSERT_THROW(receive(source), Bridge::BodyNotReceived);
    }

    void testAnEmptyFileIsTheEnd() {
        sendFile(fileOf(""), 0);
        Bridge::BodySource source = this->source();
        CPPUNIT_ASSERT_EQUAL(std::string(), rest(source));
        CPPUNIT_ASSERT(!source.hasUnread());
    }

    void testTheEndOfTheChannelBreaksTheBody() {
        pair_.first.reset();
        Bridge::BodySource source = this->source();
        CPPUNIT_ASSERT_THROW(receive(source), Bridge::BodyBrokenOff);
    }

    void testAHeadComesInPieces() {
        Bridge::BodySource source = this->source();
        std::string head = "one";
        CPPUNIT_ASSERT(!source.complete(head, 9, buffer_));
        for (const char *piece : {" two", " three"}) {
            sendPiece(piece, false);
            CPPUNIT_ASSERT_EQUAL(std::string_view(piece) == " three", source.complete(head, 9, buffer_));
        }
        CPPUNIT_ASSERT_EQUAL(std::string("one two t"), head);
        CPPUNIT_ASSERT(source.hasUnread());
        CPPUNIT_ASSERT_EQUAL(std::string("hree"), std::string(receive(source)));
        CPPUNIT_ASSERT_EQUAL(std::string(), std::string(receive(source)));
        sendPiece("", true);
        receive(source);
        CPPUNIT_ASSERT(source.ended());
        CPPUNIT_ASSERT_THROW(source.complete(head, 10, buffer_), Bridge::BodyBrokenOff);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(BodySourceTest);

}  // namespace Passenger
