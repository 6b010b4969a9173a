#include "shm/Layouts.h"

#include <cppunit/extensions/HelperMacros.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "claims/claim_memory.h"
#include "support/SourceFolder.h"

namespace Passenger {

// Native code in C has the same layout.
static_assert(CLAIMS_HEADER == ClaimsLayout::offset(0) && CELL_LENGTH == sizeof(ClaimCell) &&
              CELL_TICKET == offsetof(ClaimCell, ticket) && CELL_ANSWERED == offsetof(ClaimCell, answered) &&
              CELL_LAST_USED == offsetof(ClaimCell, lastUsed));
static_assert(MARKS_OFFSET == SenderMemoryLayout::MARKS && MARKS == SenderMemoryLayout::SLOTS &&
              MARKS_OFFSET + 8 == SenderMemoryLayout::mark(1));

/**
 * Processes of different builds share these layouts. The version's layout is recorded in
 * test/layouts/VERSION: a name, and a number, or offset and size. test/ruby/layout_test.rb compares
 * the Ruby side with the same file. A change of a layout raises LAYOUT_VERSION and Layout::VERSION,
 * and is recorded in a new file.
 */
class LayoutsTest : public CPPUNIT_NS::TestFixture {
    CPPUNIT_TEST_SUITE(LayoutsTest);
    CPPUNIT_TEST(testLayoutsAreAsRecordedForTheirVersion);
    CPPUNIT_TEST_SUITE_END();

    std::ostringstream table_;

    void number(const std::string &name, std::uint64_t value) { table_ << name << ' ' << value << '\n'; }

    /** All members of a struct, in their order: if a member is added, this does not compile. */
    template <typename Struct, typename... Members>
    void members(const std::string &name, const Struct &all, const Members &...member) {
        number(name, sizeof(Struct));
        unsigned index = 0;
        const auto record = [&](const void *address, std::size_t size) {
            const auto offset = static_cast<const char *>(address) - reinterpret_cast<const char *>(&all);
            table_ << name << '.' << index++ << ' ' << offset << ' ' << size << '\n';
        };
        (record(&member, sizeof(member)), ...);
    }

    void recordMessages() {
        RequestHeader request{};
        const auto &[version, flags, resends, headLength, channel, ticket, sentAt] = request;
        members("RequestHeader", request, version, flags, resends, headLength, channel, ticket, sentAt);
        number("BODY_FOLLOWS", BODY_FOLLOWS);
        number("STREAM", STREAM);
        number("HEAD_REQUEST", HEAD_REQUEST);
        number("BODY_IN_FILE", BODY_IN_FILE);
        number("TRANSFERABLE", TRANSFERABLE);
        number("STREAM_TRANSFERABLE", STREAM_TRANSFERABLE);
        number("TAKES_TRAILERS", TAKES_TRAILERS);
        number("TAKES_FILE", TAKES_FILE);

        MessageHeader message{};
        const auto &[ofTicket, type, messageFlags, status, replyHeadLength, queued, stickyId] = message;
        members("MessageHeader", message, ofTicket, type, messageFlags, status, replyHeadLength, queued, stickyId);
        FileRange file{};
        const auto &[offset, length] = file;
        members("FileRange", file, offset, length);
        number("LAST", LAST);
        number("WANTS_CLIENT", WANTS_CLIENT);
        number("TransferAnswer.CLIENT", static_cast<unsigned>(TransferAnswer::CLIENT));
        number("TransferAnswer.RELAY", static_cast<unsigned>(TransferAnswer::RELAY));
        number("RESPONSE", static_cast<std::uint64_t>(MessageType::RESPONSE));
        number("DATA", static_cast<std::uint64_t>(MessageType::DATA));
        number("INTERIM", static_cast<std::uint64_t>(MessageType::INTERIM));
        number("SKIPPED", static_cast<std::uint64_t>(MessageType::SKIPPED));
        number("ACCEPTED", static_cast<std::uint64_t>(MessageType::ACCEPTED));
        number("ABORTED", static_cast<std::uint64_t>(MessageType::ABORTED));
        number("HIJACKED", static_cast<std::uint64_t>(MessageType::HIJACKED));
        number("TRAILERS", static_cast<std::uint64_t>(MessageType::TRAILERS));
        number("ANSWER_FILE", static_cast<std::uint64_t>(MessageType::ANSWER_FILE));
        number("LOST", static_cast<std::uint64_t>(MessageType::LOST));
        number("RECHECK", static_cast<std::uint64_t>(MessageType::RECHECK));
        number("REFUSED", static_cast<std::uint64_t>(MessageType::REFUSED));
        number("BODY", static_cast<std::uint64_t>(MessageType::BODY));
        number("BODY_FILE", static_cast<std::uint64_t>(MessageType::BODY_FILE));
    }

    void recordLimits() {
        number("MAX_MESSAGE", MAX_MESSAGE);
        number("MAX_ENVIRONMENT", MAX_ENVIRONMENT);
        number("MAX_RESPONSE_HEAD", MAX_RESPONSE_HEAD);
        number("MAX_INLINE_MESSAGE", MAX_INLINE_MESSAGE);
        number("MAX_DISCARDED", MAX_DISCARDED);
        number("CHANNEL_SECRET", CHANNEL_SECRET);
        number("MAX_CHILDREN", MAX_CHILDREN);
    }

    void recordClaimsAndSenderMemory() {
        MemoryHeader header{};
        const auto &[magic, version, reserved, capacity, extra, padding] = header;
        members("MemoryHeader", header, magic, version, reserved, capacity, extra, padding);

        ClaimCell cell{};
        const auto &[channel, ticket, answered, lastUsed] = cell;
        members("ClaimCell", cell, channel, ticket, answered, lastUsed);
        number("Claims.MAGIC", ClaimsLayout::MAGIC);
        number("Claims.CELLS", ClaimsLayout::CELLS);
        number("Claims.DIED", ClaimsLayout::DIED);
        number("Claims.cell(1)", ClaimsLayout::offset(1));
        number("Claims.SIZE", ClaimsLayout::SIZE);

        GroupStatistics statistics{};
        const auto &[completed, refused, timedOut, left, serviceTime, queueTime, serviceMicroseconds, queueMicroseconds,
                     overShare, lost, overran, notStarted] = statistics;
        members("GroupStatistics", statistics, completed, refused, timedOut, left, serviceTime, queueTime,
                serviceMicroseconds, queueMicroseconds, overShare, lost, overran, notStarted);
        number("SenderMemory.MAGIC", SenderMemoryLayout::MAGIC);
        number("SenderMemory.SLOTS", SenderMemoryLayout::SLOTS);
        number("SenderMemory.WANTED", SenderMemoryLayout::WANTED);
        number("SenderMemory.PEAK", SenderMemoryLayout::PEAK);
        number("SenderMemory.count(1)", SenderMemoryLayout::count(1));
        number("SenderMemory.MARKS", SenderMemoryLayout::MARKS);
        number("SenderMemory.mark(65537)", SenderMemoryLayout::mark(65537));
        number("SenderMemory.upTo(23:17, 9)", SenderMemoryLayout::upTo(std::uint64_t{23} << 16 | 17, 9));
        number("SenderMemory.statistics(1)", SenderMemoryLayout::statistics(1));
        number("SenderMemory.KEY_ROWS", SenderMemoryLayout::KEY_ROWS);
        number("SenderMemory.KEY_CELLS", SenderMemoryLayout::KEY_CELLS);
        number("SenderMemory.keyCount(1, 1, 1)", SenderMemoryLayout::keyCount(1, 1, 1));
        number("SenderMemory.SIZE", SenderMemoryLayout::SIZE);
    }

    void recordInFlightAndGenerations() {
        InFlightEntry entry{};
        const auto &[channel, ticket, since, groupSlot, state] = entry;
        members("InFlightEntry", entry, channel, ticket, since, groupSlot, state);
        number("InFlightTable.FREE", static_cast<std::uint64_t>(InFlightState::FREE));
        number("InFlightTable.SENDING", static_cast<std::uint64_t>(InFlightState::SENDING));
        number("InFlightTable.SENT", static_cast<std::uint64_t>(InFlightState::SENT));
        number("InFlightTable.MAGIC", InFlightLayout::MAGIC);
        number("InFlightTable.ENTRIES", InFlightLayout::ENTRIES);
        number("InFlightTable.entry(1)", InFlightLayout::offset(1));
        RequestNote note{};
        const auto &[ofTicket, text] = note;
        members("RequestNote", note, ofTicket, text);
        number("InFlightTable.note(1)", InFlightLayout::note(1));
        number("InFlightTable.SIZE", InFlightLayout::SIZE);

        GenerationEntry group{};
        const auto &[generation, instances, pausedUntil] = group;
        members("GenerationEntry", group, generation, instances, pausedUntil);
        const auto &[capacity, places, abandoned, serving] = instances;
        members("InstanceCounts", instances, capacity, places, abandoned, serving);
        number("Generations.MAGIC", GenerationLayout::MAGIC);
        number("Generations.GROUPS", GenerationLayout::GROUPS);
        number("Generations.SHORTAGES", GenerationLayout::SHORTAGES);
        number("Generations.SECRET", GenerationLayout::SECRET);
        number("Generations.SECRET_SIZE", GenerationLayout::SECRET_SIZE);
        number("Generations.entry(1)", GenerationLayout::offset(1));
        number("Generations.SIZE", GenerationLayout::SIZE);
    }

public:
    void testLayoutsAreAsRecordedForTheirVersion() {
        recordMessages();
        recordLimits();
        recordClaimsAndSenderMemory();
        recordInFlightAndGenerations();
        const std::filesystem::path path = sourceFolder() / "test/layouts" / std::to_string(unsigned{LAYOUT_VERSION});
        std::ostringstream recorded;
        recorded << std::ifstream(path).rdbuf();
        CPPUNIT_ASSERT_EQUAL_MESSAGE("A layout is not as recorded in " + path.string(), recorded.str(), table_.str());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(LayoutsTest);

}  // namespace Passenger
