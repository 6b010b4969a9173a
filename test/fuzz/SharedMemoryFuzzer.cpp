/*
 * Writes random bytes into memory that the agent reads and others write: a child's in-flight table,
 * a Group's claims and withdrawal marks. The agent's side of a queue then reads them, as for
 * scaling, the death of an instance and the end of a child. It may only ask about channels of this
 * child and of this Group.
 */
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <vector>

#include "base/Clock.h"
#include "base/SystemClock.h"
#include "io/SocketPair.h"
#include "pool/ApplicationQueue.h"
#include "pool/ChannelRegistry.h"
#include "shm/InFlightReader.h"
#include "shm/InFlightTable.h"
#include "support/NoDescriptorStore.h"

namespace {

using namespace Passenger;

constexpr std::uint32_t SLOT = 1;
constexpr std::uint32_t OTHER_SLOT = 2;
/** Kinds of values, see valueOf(). */
constexpr unsigned KINDS = 4;

void require(bool condition) {
    if (!condition) {
        std::abort();
    }
}

/** The memory of both sides, made once: only the bytes differ. */
struct World {
    EventLoop loop;
    ChannelRegistry channels{loop};
    NoDescriptorStore store;
    ApplicationQueue queue{SLOT, "fuzzed", channels, store};
    InFlightTable inFlightTable;
    InFlightTable otherTable;
    std::uint32_t child = channels.addSender(InFlightReader(inFlightTable.memory().descriptor().duplicate()));
    std::uint32_t otherChild = channels.addSender(InFlightReader(otherTable.memory().descriptor().duplicate()));
    DescriptorPair own = makeSeqPacketPair();
    DescriptorPair otherChilds = makeSeqPacketPair();
    DescriptorPair otherGroups = makeSeqPacketPair();
    ChannelId ownId = channels.add(own.second.duplicate(), child, SLOT, ChannelSecret::random());
    ChannelId otherChildsId = channels.add(otherChilds.second.duplicate(), otherChild, SLOT, ChannelSecret::random());
    ChannelId otherGroupsId = channels.add(otherGroups.second.duplicate(), child, OTHER_SLOT, ChannelSecret::random());
};

World &world() {
    static World *const made = new World();
    return *made;
}

/**
 * An input is a series of writes. Each has a file (in-flight table, claims, or marks with the
 * statistics behind them), a word of the file, and a value or one of the real channels.
 */
struct Write {
    std::uint8_t file;
    std::uint8_t kind;
    std::uint16_t word;
    std::uint64_t value;
};

std::uint64_t valueOf(const Write &write) {
    const std::uint64_t ids[] = {write.value, world().ownId.value(), world().otherChildsId.value(),
                                 world().otherGroupsId.value()};
    static_assert(std::size(ids) == KINDS);
    return ids[write.kind % KINDS];
}

void put(const Write &write, std::uint64_t value) {
    const SharedMemory *const files[] = {&world().inFlightTable.memory(), &world().queue.cells().claims().memory(),
                                         &world().queue.senders().memory()};
    const std::size_t sizes[] = {InFlightLayout::SIZE, ClaimsLayout::SIZE, SenderMemoryLayout::SIZE};
    const std::size_t file = write.file % 3U;
    // The low bits of `kind` choose the value, the others a stretch of 512 KiB: the last file has
    // several.
    const std::size_t word = write.word + std::size_t{write.kind / KINDS} * (UINT16_MAX + 1);
    const std::size_t offset = word * sizeof(value) % (sizes[file] - sizeof(value));
    require(::pwrite(files[file]->descriptor().get(), &value, sizeof(value), static_cast<off_t>(offset)) ==
            sizeof(value));
}

std::vector<Write> decode(const std::uint8_t *data, std::size_t size) {
    constexpr std::size_t ENCODED = 12;
    std::vector<Write> writes;
    for (; size >= ENCODED; data += ENCODED, size -= ENCODED) {
        Write write{data[0], data[1], 0, 0};
        std::memcpy(&write.word, data + 2, sizeof(write.word));
        std::memcpy(&write.value, data + 4, sizeof(write.value));
        writes.push_back(write);
    }
    return writes;
}

bool hasMessage(const DescriptorPair &pair) {
    char byte;
    return ::recv(pair.first.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

void empty(const DescriptorPair &pair) {
    char byte;
    while (::recv(pair.first.get(), &byte, 1, MSG_DONTWAIT) >= 0) {
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    const std::vector<Write> writes = decode(data, size);
    // All entries of the in-flight table count, unless the input says otherwise.
    put(Write{0, 0, 1, 0}, std::uint64_t{InFlightLayout::ENTRIES} << 32);
    for (const Write &write : writes) {
        put(write, valueOf(write));
    }
    ApplicationQueue &queue = world().queue;
    require(queue.inFlight() <= world().channels.childSlots() * InFlightLayout::ENTRIES);
    require(queue.takePeak() >= queue.inFlight());
    const std::vector<MonotonicTime> waiting = queue.waiting();
    require(waiting.size() <= InFlightLayout::ENTRIES);
    require(std::is_sorted(waiting.begin(), waiting.end()));
    for (const MonotonicTime since : waiting) {
        static_cast<void>(SystemClock::instance().now() - since);
    }
    queue.statistics();
    queue.cells().answered(CellRange{0, 4});
    queue.recheckWaiting();
    // Whatever an in-flight table says, requests of another child or another Group must not be
    // asked about.
    require(!hasMessage(world().otherChilds) && !hasMessage(world().otherGroups));
    queue.giveUp(CellRange{0, 4});
    require(!hasMessage(world().otherGroups));
    require(queue.cells().claims().taken() == 0);
    queue.senders().forgetChild(world().child);

    for (const Write &write : writes) {
        put(write, 0);
    }
    empty(world().own);
    empty(world().otherChilds);
    return 0;
}
