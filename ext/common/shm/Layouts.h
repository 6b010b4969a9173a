#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/LogHistogram.h"

namespace Passenger {

/**
 * The version of all layouts in this file (doc/PROTOCOLS.md, sections 1 to 3). A change of a layout
 * changes the document and the version, too.
 */
inline constexpr std::uint8_t LAYOUT_VERSION = 15;

/** Largest message on a queue or a reply channel: 64 KiB, a usual piece of a body, and a header. */
inline constexpr std::size_t MAX_MESSAGE = 65536 + 64;
/** Largest environment of a request. */
inline constexpr std::size_t MAX_ENVIRONMENT = 1024 * 1024;
/** Largest head of an answer. */
inline constexpr std::size_t MAX_RESPONSE_HEAD = 128 * 1024;
/** Largest message that carries a request and its whole body. */
inline constexpr std::size_t MAX_INLINE_MESSAGE = 3584;
/** A channel counts as broken after so many stale or malformed bytes. */
inline constexpr std::size_t MAX_DISCARDED = 1024 * 1024;
/** The content of the agent's messages on a reply channel begins with that channel's secret. */
inline constexpr std::size_t CHANNEL_SECRET = 16;

/**
 * BODY_IN_FILE goes with BODY_FOLLOWS: the body may come as one BODY_FILE. TRANSFERABLE: the child
 * can give the client's own socket away (MessageFlags::WANTS_CLIENT). STREAM_TRANSFERABLE: after
 * the head of an answer, too. TAKES_TRAILERS: the answer may end with TRAILERS. TAKES_FILE: with
 * ANSWER_FILE.
 */
enum RequestFlags : std::uint8_t {
    BODY_FOLLOWS = 1,
    STREAM = 2,
    HEAD_REQUEST = 4,
    BODY_IN_FILE = 8,
    TRANSFERABLE = 16,
    STREAM_TRANSFERABLE = 32,
    TAKES_TRAILERS = 64,
    TAKES_FILE = 128
};

/** Begins each message on a request queue; the environment and, perhaps, the body follow. */
struct RequestHeader {
    std::uint8_t version;
    std::uint8_t flags;
    std::uint16_t resends;
    std::uint32_t headLength;
    std::uint64_t channel;
    std::uint64_t ticket;
    std::uint64_t sentAt;
};
static_assert(sizeof(RequestHeader) == 32 && offsetof(RequestHeader, headLength) == 4 &&
              offsetof(RequestHeader, channel) == 8 && offsetof(RequestHeader, ticket) == 16 &&
              offsetof(RequestHeader, sentAt) == 24);

enum class MessageType : std::uint8_t {
    RESPONSE = 1,
    DATA = 2,
    INTERIM = 3,
    SKIPPED = 4,
    ACCEPTED = 5,
    ABORTED = 6,
    HIJACKED = 7,
    TRAILERS = 8,
    ANSWER_FILE = 9,
    LOST = 16,
    RECHECK = 17,
    REFUSED = 18,
    BODY = 32,
    BODY_FILE = 33
};

/** WANTS_CLIENT, of HIJACKED: the instance waits on the stream for a TransferAnswer. */
enum MessageFlags : std::uint8_t { LAST = 1, WANTS_CLIENT = 2 };

/** The child's first byte on the stream of a HIJACKED with WANTS_CLIENT. */
enum class TransferAnswer : char {
    /** The client's own socket comes with this byte, and nothing else on the stream. */
    CLIENT = 'C',
    /** The child passes the client's bytes on by the stream. */
    RELAY = 'R'
};

/** Begins each message on a reply channel. */
struct MessageHeader {
    std::uint64_t ticket;
    MessageType type;
    std::uint8_t flags;
    std::uint16_t status;
    std::uint32_t headLength;
    /**
     * RESPONSE, HIJACKED: microseconds from RequestHeader::sentAt until the instance took the
     * request, at most UINT32_MAX.
     */
    std::uint32_t queued;
    /** RESPONSE: the instance's id for sticky sessions; else 0. */
    std::uint32_t stickyId;
};
static_assert(sizeof(MessageHeader) == 24 && offsetof(MessageHeader, type) == 8 &&
              offsetof(MessageHeader, flags) == 9 && offsetof(MessageHeader, status) == 10 &&
              offsetof(MessageHeader, headLength) == 12 && offsetof(MessageHeader, queued) == 16 &&
              offsetof(MessageHeader, stickyId) == 20);

/** Follows the header of an ANSWER_FILE: which bytes of the file end the answer. */
struct FileRange {
    std::uint64_t offset;
    std::uint64_t length;
};
static_assert(sizeof(FileRange) == 16 && offsetof(FileRange, length) == 8);

/** Begins each memory file. */
struct MemoryHeader {
    std::uint32_t magic;
    std::uint16_t version;
    std::uint16_t reserved;
    std::uint32_t capacity;
    /** GenerationTable: child slots in use. InFlightTable: entries ever used, from the first on;
     *  Claims: cells, likewise. */
    std::uint32_t extra;
    std::uint8_t padding[48];
};
static_assert(sizeof(MemoryHeader) == 64 && offsetof(MemoryHeader, capacity) == 8 &&
              offsetof(MemoryHeader, extra) == 12);

inline constexpr std::uint32_t memoryMagic(char a, char b, char c, char d) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(a)) |
           static_cast<std::uint32_t>(static_cast<unsigned char>(b)) << 8 |
           static_cast<std::uint32_t>(static_cast<unsigned char>(c)) << 16 |
           static_cast<std::uint32_t>(static_cast<unsigned char>(d)) << 24;
}

/** The cell of one thread of an instance: the request that it has taken, and what it has
 *  answered. */
struct ClaimCell {
    std::uint64_t channel = 0;
    std::uint64_t ticket = 0;
    /** Requests that have ended under claims in this cell, but those that were SKIPPED. */
    std::uint64_t answered = 0;
    /** When the last of them ended: CLOCK_MONOTONIC, nanoseconds. 0: none has. */
    std::uint64_t lastUsed = 0;
};
static_assert(sizeof(ClaimCell) == 32 && offsetof(ClaimCell, ticket) == 8 && offsetof(ClaimCell, answered) == 16 &&
              offsetof(ClaimCell, lastUsed) == 24);

namespace ClaimsLayout {
inline constexpr std::uint32_t MAGIC = memoryMagic('P', 'C', 'L', 'M');
inline constexpr std::uint32_t CELLS = 65536;
/** Added to a cell's channel: the instance died and LOST was not sent. Channel ids are smaller. */
inline constexpr std::uint64_t DIED = std::uint64_t{1} << 63;
/** Added with DIED: the agent has killed the instance, so its requests are not sent again. */
inline constexpr std::uint64_t KILLED = std::uint64_t{1} << 62;
inline constexpr std::size_t offset(std::uint32_t cell) {
    return sizeof(MemoryHeader) + cell * sizeof(ClaimCell);
}
inline constexpr std::size_t SIZE = offset(CELLS);
}  // namespace ClaimsLayout

inline constexpr std::uint32_t MAX_CHILDREN = 4096;

/** How a Group's requests ended: the counts of one child, or their sums. */
struct GroupStatistics {
    /** Answers whose last message arrived. */
    std::uint64_t completed = 0;
    /** Requests that found the queue full. */
    std::uint64_t refused = 0;
    /** Requests that were withdrawn because they had waited too long. */
    std::uint64_t timedOut = 0;
    /** Requests that were withdrawn or given up because their clients left. */
    std::uint64_t left = 0;
    /** From the moment when an instance takes the request to the last message of its answer. */
    LogHistogram serviceTime;
    /** From the sending of the request until an instance takes it, or until it is withdrawn. */
    LogHistogram queueTime;
    /** The sum of all times in each histogram, in microseconds. */
    std::uint64_t serviceMicroseconds = 0;
    std::uint64_t queueMicroseconds = 0;
    /** Requests that were refused since their PassengerFairnessKey had its share. */
    std::uint64_t overShare = 0;
    /** Requests without a whole answer, since their instance died or sent something malformed. A
     *  whole answer that is malformed counts as completed. */
    std::uint64_t lost = 0;
    /** Requests that were given up, since an instance worked on them for too long. */
    std::uint64_t overran = 0;
    /** Requests that were withdrawn since no instance started. */
    std::uint64_t notStarted = 0;

    friend bool operator==(const GroupStatistics &, const GroupStatistics &) = default;
};
static_assert(std::is_trivially_copyable_v<GroupStatistics> && std::is_standard_layout_v<GroupStatistics>);
static_assert(sizeof(GroupStatistics) == 592 && offsetof(GroupStatistics, refused) == 8 &&
              offsetof(GroupStatistics, timedOut) == 16 && offsetof(GroupStatistics, left) == 24 &&
              offsetof(GroupStatistics, serviceTime) == 32 && offsetof(GroupStatistics, queueTime) == 288 &&
              offsetof(GroupStatistics, serviceMicroseconds) == 544 &&
              offsetof(GroupStatistics, queueMicroseconds) == 552 && offsetof(GroupStatistics, overShare) == 560 &&
              offsetof(GroupStatistics, lost) == 568 && offsetof(GroupStatistics, overran) == 576 &&
              offsetof(GroupStatistics, notStarted) == 584);

namespace SenderMemoryLayout {
inline constexpr std::uint32_t MAGIC = memoryMagic('P', 'M', 'R', 'K');
inline constexpr std::uint32_t SLOTS = 65536;
inline constexpr std::size_t WANTED = 64;
inline constexpr std::size_t PEAK = 68;
inline constexpr std::size_t COUNTS = 128;
inline constexpr std::size_t MARKS = COUNTS + MAX_CHILDREN * sizeof(std::uint32_t);
static_assert(MARKS == 16512);
inline constexpr std::size_t count(std::uint32_t childSlot) {
    return COUNTS + childSlot * sizeof(std::uint32_t);
}
inline constexpr std::size_t mark(std::uint64_t channel) {
    return MARKS + (channel % SLOTS) * sizeof(std::uint64_t);
}
/** The largest ticket that a mark can name. */
inline constexpr std::uint64_t MAX_TICKET = UINT32_MAX;
/** The low half of a channel's serial, which tells the channels of one slot apart. */
inline constexpr std::uint64_t serial(std::uint64_t channel) {
    return (channel >> 16) & UINT32_MAX;
}
/** The mark that withdraws the channel's tickets up to this one. */
inline constexpr std::uint64_t upTo(std::uint64_t channel, std::uint64_t ticket) {
    return serial(channel) << 32 | (ticket < MAX_TICKET ? ticket : MAX_TICKET);
}
/**
 * Whether the mark in the channel's slot withdraws this ticket. A mark with another serial does: a
 * later channel has the slot.
 */
inline constexpr bool withdraws(std::uint64_t mark, std::uint64_t channel, std::uint64_t ticket) {
    return mark >> 32 != serial(channel) || (mark & MAX_TICKET) >= ticket;
}
inline constexpr std::size_t STATISTICS = MARKS + SLOTS * sizeof(std::uint64_t);
/** Whole cache lines, so that children do not write to the same one. */
inline constexpr std::size_t STATISTICS_STRIDE = 640;
static_assert(STATISTICS == 540800 && STATISTICS % 64 == 0 && STATISTICS_STRIDE % 64 == 0 &&
              STATISTICS_STRIDE >= sizeof(GroupStatistics));
inline constexpr std::size_t statistics(std::uint32_t childSlot) {
    return STATISTICS + childSlot * STATISTICS_STRIDE;
}
/** Requests in flight by FairnessKey: each has a cell in each row. */
inline constexpr std::size_t KEYS = statistics(MAX_CHILDREN);
inline constexpr std::uint32_t KEY_ROWS = 2;
inline constexpr std::uint32_t KEY_CELLS = 128;
using KeyCount = std::uint16_t;
inline constexpr std::size_t KEYS_STRIDE = KEY_ROWS * KEY_CELLS * sizeof(KeyCount);
static_assert(KEYS == 3162240 && KEYS % 64 == 0 && KEYS_STRIDE == 512);
inline constexpr std::size_t keys(std::uint32_t childSlot) {
    return KEYS + childSlot * KEYS_STRIDE;
}
/** @param cell of its row */
inline constexpr std::size_t keyCount(std::uint32_t childSlot, std::uint32_t row, std::uint32_t cell) {
    return keys(childSlot) + (row * KEY_CELLS + cell) * sizeof(KeyCount);
}
inline constexpr std::size_t SIZE = keys(MAX_CHILDREN);
}  // namespace SenderMemoryLayout

enum class InFlightState : std::uint32_t { FREE = 0, SENDING = 1, SENT = 2 };

/** One request of a child. */
struct InFlightEntry {
    std::uint64_t channel;
    std::uint64_t ticket;
    std::uint64_t since;
    std::uint32_t groupSlot;
    InFlightState state;
};
static_assert(sizeof(InFlightEntry) == 32 && offsetof(InFlightEntry, groupSlot) == 24 &&
              offsetof(InFlightEntry, state) == 28);

/** What a request is, for people. */
struct RequestNote {
    /** The ticket of the request that the text is about. */
    std::uint64_t ticket;
    /** The client's address, the method, the request's id and the URI, each ended by NUL. The URI
     *  may be cut. */
    char text[248];
};
static_assert(sizeof(RequestNote) == 256 && offsetof(RequestNote, text) == 8);

namespace InFlightLayout {
inline constexpr std::uint32_t MAGIC = memoryMagic('P', 'B', 'R', 'D');
inline constexpr std::uint32_t ENTRIES = 4096;
inline constexpr std::size_t offset(std::uint32_t entry) {
    return sizeof(MemoryHeader) + entry * sizeof(InFlightEntry);
}
inline constexpr std::size_t note(std::uint32_t entry) {
    return offset(ENTRIES) + entry * sizeof(RequestNote);
}
inline constexpr std::size_t SIZE = note(ENTRIES);
}  // namespace InFlightLayout

/** What the instances of a Group can take. */
struct InstanceCounts {
    /** Requests that the serving instances can run at once, beside abandoned ones. */
    std::uint32_t capacity = 0;
    /** Requests that all instances can have claimed, those included that are to end. */
    std::uint32_t places = 0;
    /** Requests that these work at, and that no sender waits for. */
    std::uint32_t abandoned = 0;
    std::uint32_t serving = 0;

    friend bool operator==(const InstanceCounts &, const InstanceCounts &) = default;
};

/** The entry of a Group's slot. */
struct GenerationEntry {
    std::uint64_t generation;
    InstanceCounts instances;
    std::uint64_t pausedUntil;
};
static_assert(sizeof(GenerationEntry) == 32 && offsetof(GenerationEntry, instances) == 8 &&
              offsetof(GenerationEntry, pausedUntil) == 24);

namespace GenerationLayout {
inline constexpr std::uint32_t MAGIC = memoryMagic('P', 'G', 'E', 'N');
inline constexpr std::uint32_t GROUPS = 4096;
/** In the header: how often the agent has asked for idle reply channels. A futex. */
inline constexpr std::size_t SHORTAGES = offsetof(MemoryHeader, padding);
/** In the header: of FairnessKey. The agent chooses it at random. */
inline constexpr std::size_t SECRET = SHORTAGES + 16;
inline constexpr std::size_t SECRET_SIZE = 16;
static_assert(SECRET + SECRET_SIZE <= sizeof(MemoryHeader));
inline constexpr std::size_t offset(std::uint32_t groupSlot) {
    return sizeof(MemoryHeader) + groupSlot * sizeof(GenerationEntry);
}
inline constexpr std::size_t SIZE = offset(GROUPS);
}  // namespace GenerationLayout

}  // namespace Passenger
