#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/Clock.h"
#include "base/StrongId.h"
#include "io/RequestQueue.h"
#include "pool/ChannelRegistry.h"
#include "pool/DescriptorStore.h"
#include "pool/GetFailure.h"
#include "shm/Claims.h"
#include "shm/SenderMemory.h"

namespace Passenger {

/** A run of cells in a Group's claims: one for each thread of an instance. */
struct CellRange {
    std::uint32_t first = 0;
    std::uint32_t count = 0;
};

/** One generation of a line: the queue that its instances take from. */
struct QueueGeneration {
    Generation number;
    RequestQueue queue;
};

using QueueGenerationPtr = std::shared_ptr<QueueGeneration>;

/** What an instance needs to take requests from a queue. */
struct QueueHandover {
    QueueGenerationPtr queue;
    CellRange cells;
    FileDescriptor claims;
    FileDescriptor senders;
};

/** What a sender needs to put requests into a Group's line. */
struct Attachment {
    std::uint32_t groupSlot = 0;
    Generation generation;
    FileDescriptor sending;
    FileDescriptor claims;
    FileDescriptor senders;
    /** The sending end of the queue of the instance that was asked for; none: it does not serve, or
     *  has none. */
    FileDescriptor ownQueue;
};

/**
 * The line of a Group whose instances pull their requests (doc/PROTOCOLS.md, sections 1 to 3), as
 * the agent holds it: claims and marks, which live as long as the Group; the queue of the current
 * generation; and the telling of those who wait in it.
 *
 * Owned by its Group; guarded by the pool's lock. Nothing in it waits.
 */
class ApplicationQueue {
public:
    /** @param slot the Group's in the generation table. @throws SystemException */
    ApplicationQueue(std::uint32_t slot, std::string name, ChannelRegistry &channels, DescriptorStore &store);

    std::uint32_t slot() const noexcept {
        return slot_;
    }
    Claims &claims() noexcept {
        return claims_;
    }
    const Claims &claims() const noexcept {
        return claims_;
    }
    SenderMemory &senders() noexcept {
        return senders_;
    }
    const SenderMemory &senders() const noexcept {
        return senders_;
    }

    /** For an instance with so many threads. @throws SpawnException when there are no cells left */
    QueueHandover handOver(const QueueGenerationPtr &queue, std::uint32_t threads);
    /** Cells that no instance has; nothing when there are not so many in a row. */
    std::optional<CellRange> allocate(std::uint32_t count);
    /** Clears the cells and gives them out again. Only when what their owner's death left in them
     *  was dealt with. */
    void free(const CellRange &cells);
    /** The cells' owner is dead: tells whose requests it had (LOST), asks who waits unclaimed to
     *  look (a killed receiver swallows the message that it just took), and frees the cells.
     *  @param killed by us: what it had must not be run again */
    void giveUp(const CellRange &cells, bool killed = false);
    /** What the cells have claimed. */
    std::vector<std::pair<ChannelId, Ticket>> claimed(const CellRange &cells) const;
    /** Whether one of the cells has claimed it. */
    bool holds(const CellRange &cells, ChannelId channel, Ticket ticket) const;
    /** How many requests the cells' owner has taken. */
    unsigned taken(const CellRange &cells) const;

    /** The generation that children send to; none while the application is down. */
    const QueueGenerationPtr &current() const noexcept {
        return current_;
    }
    /** What waits in the old generation is sent to the new one by its children; instances of the
     *  old one answer what they have, and end. */
    void makeCurrent(QueueGenerationPtr generation, unsigned capacity);
    /** The application goes down: children ask again when they have a request. */
    void close();
    /** Tells the children which generation to use, and how many requests its instances can run at
     *  once. */
    void publish(unsigned capacity);
    /** With a current generation only. */
    Attachment attachment() const;

    /** What is served or waits, as the children count it. */
    unsigned inFlight() const;
    /** Since when the requests wait that no instance has claimed, the oldest first. */
    std::vector<MonotonicTime> waiting();
    /** What the children have counted. */
    GroupStatistics statistics() const;
    /** The most that was in flight at once since the last call. */
    unsigned takePeak();
    void recheckWaiting();
    /** Answers everybody whom no instance has taken. */
    void refuseWaiting(const GetFailure &failure);

private:
    void clearStrayClaims();
    void reclaim();
    std::vector<InFlightEntry> unclaimed();
    void tell(const InFlightEntry &entry, MessageType type, const GetFailure *failure = nullptr);
    void retire(const QueueGenerationPtr &generation);
    std::string storeKey(const QueueGeneration &generation) const;

    std::uint32_t slot_;
    std::string name_;
    ChannelRegistry &channels_;
    DescriptorStore &store_;
    Claims claims_;
    SenderMemory senders_;
    std::vector<bool> used_;
    /** Cells of the dead whose LOST had no room in its channel. */
    std::vector<std::uint32_t> untold_;
    /** Requests of dead instances whose senders were told so, as long as they are in flight. */
    std::vector<std::pair<ChannelId, Ticket>> lost_;
    QueueGenerationPtr current_;
};

}  // namespace Passenger
