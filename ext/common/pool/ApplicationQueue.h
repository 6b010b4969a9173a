#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/Clock.h"
#include "base/StrongId.h"
#include "io/RequestQueue.h"
#include "pool/AbandonedRequests.h"
#include "pool/CellRange.h"
#include "pool/ChannelRegistry.h"
#include "pool/ClaimCells.h"
#include "pool/DescriptorStore.h"
#include "pool/GetFailure.h"
#include "shm/SenderMemory.h"

namespace Passenger {

/** A queue with the room that it wants, also beyond what the system gives to all. For `requests`
 *  see there. @throws SystemException */
RequestQueue makeRequestQueue(unsigned requests = 0);

/** A generation of the application's queue. Instances take requests from it. */
struct QueueGeneration {
    Generation number;
    RequestQueue queue;
    /** Instances read it first (Options::priorityQueue). */
    std::optional<RequestQueue> priority;

    /** Instances still receive what is queued. */
    void shutDown() noexcept {
        if (priority) {
            priority->shutDown();
        }
        queue.shutDown();
    }
};

using QueueGenerationPtr = std::shared_ptr<QueueGeneration>;

/** The time since which the request waits. @param entry of a child, which may tell any number */
MonotonicTime sinceOf(const InFlightEntry &entry);

/** What an instance needs to take requests from a queue. */
struct QueueHandover {
    QueueGenerationPtr queue;
    CellRange cells;
    FileDescriptor claims;
    FileDescriptor senders;
    /** The instance takes no requests until it is told to. */
    bool paused = false;
};

/** What a sender needs to put requests into a Group's queue. */
struct Attachment {
    std::uint32_t groupSlot = 0;
    Generation generation;
    FileDescriptor sending;
    FileDescriptor claims;
    FileDescriptor senders;
    /**
     * The sending end of the requested instance's own queue, or of the queue for requests of high
     * priority. None: the instance does not serve, or has no queue of its own.
     */
    FileDescriptor ownQueue;
};

/**
 * The agent's side of an application's queue (doc/PROTOCOLS.md, sections 1 to 3). It has the queue
 * of the current generation, and claims and withdrawal marks, which live as long as the Group. With
 * PassengerPriorityQueue a generation has a second queue. It sends messages to the children whose
 * requests wait or are lost.
 *
 * Owned by its Group; guarded by the pool's lock. Nothing in it waits.
 */
class ApplicationQueue {
public:
    /** @param slot the Group's in the generation table. @throws SystemException */
    ApplicationQueue(std::uint32_t slot, std::string name, ChannelRegistry &channels, DescriptorStore &store);

    std::uint32_t slot() const noexcept { return slot_; }
    /** The application's name. */
    const std::string &name() const noexcept { return name_; }
    /** What instances have taken. */
    ClaimCells &cells() noexcept { return cells_; }
    const ClaimCells &cells() const noexcept { return cells_; }
    SenderMemory &senders() noexcept { return senders_; }
    const SenderMemory &senders() const noexcept { return senders_; }

    /**
     * The handover for an instance, with cells as ClaimCells::allocate() gives them.
     * @throws SpawnException when there are no cells left; SystemException
     */
    QueueHandover handOver(const QueueGenerationPtr &queue, std::uint32_t wanted, std::uint32_t atLeast);
    /**
     * The owner of the cells is dead. Sends LOST for the requests that it had claimed, and frees
     * the cells.
     * @param killed by the agent: the requests must not run again
     * @param swallows sends RECHECK for unclaimed requests: a killed receiver swallows the message
     *     that it just took
     */
    void giveUp(const CellRange &cells, bool killed = false, bool swallows = true);
    /** The requests that the cells have claimed, and that their senders send again if the instance
     *  dies. They are GET, HEAD and OPTIONS, as the httpd children describe them. */
    std::vector<std::pair<ChannelId, Ticket>> repeatable(const CellRange &cells) const;
    /** Requests that instances work at, and that no sender waits for. */
    const AbandonedRequests &abandoned() const noexcept { return abandoned_; }
    AbandonedRequests &abandoned() noexcept { return abandoned_; }
    /** Whether a child waits for each of these requests of an earlier pool process. */
    bool awaitsAll(const std::vector<std::pair<ChannelId, Ticket>> &requests) const {
        return channels_.awaitsAll(requests);
    }

    /** The generation that children send to; none while the application is down. */
    const QueueGenerationPtr &current() const noexcept { return current_; }
    bool isCurrent(Generation generation) const noexcept { return current_ && current_->number == generation; }
    /**
     * The children send the requests that wait in the old generation to the new one. Instances of
     * the old one answer the requests that they have, and end.
     */
    void makeCurrent(QueueGenerationPtr generation);
    /** The application goes down: children ask again when they have a request. */
    void close();
    /** Tells the children which generation to use, and how many requests the instances can take. */
    void publish(const InstanceCounts &instances);
    /** Tells the children until when the queue is, or was, paused. */
    void publishPause(MonotonicTime until) { channels_.generations().publishPause(slot_, until); }
    /** The counts that were published last. */
    const InstanceCounts &published() const noexcept { return published_; }
    /** Only with a current generation. */
    Attachment attachment() const;
    /** Where requests of high priority go: to the common queue, if the generation has no priority
     *  queue, or an instance broke it. Only with a current generation. */
    FileDescriptor prioritySending() const;

    /** Requests that are served or wait, as the children count them. */
    unsigned inFlight() const;
    /** The number of requests in flight that no instance has taken. */
    unsigned untaken() const;
    /** The times since which the unclaimed requests wait, the oldest first. */
    std::vector<MonotonicTime> waiting();
    /** The time since which the oldest request that no instance has taken is in flight.
     *  @param all also of those that came before the last answer */
    std::optional<MonotonicTime> oldestUntaken(bool all) const;
    /** For each cell with a claim, the time since which its request is in flight, as far as
     *  children tell. For an abandoned request, the time since which it is abandoned. */
    std::map<std::uint32_t, MonotonicTime> takenSince() const;
    std::vector<DescribedRequest> described() const { return channels_.described(slot_); }
    GroupStatistics statistics() const;
    /** The most requests in flight at once since the last call. */
    unsigned takePeak();
    void recheckWaiting();
    /** Refuses all unclaimed requests. */
    void refuseWaiting(const GetFailure &failure);

private:
    void reclaim();
    std::vector<InFlightEntry> unclaimed();
    /** The requests among these that no instance has claimed. */
    std::vector<InFlightEntry> withoutClaimed(std::vector<InFlightEntry> entries) const;
    /** When an instance has last ended a request. */
    MonotonicTime lastAnswer() const;
    void tell(const InFlightEntry &entry, MessageType type, const GetFailure *failure = nullptr);
    void publishNoneServing();
    void retire(const QueueGenerationPtr &generation);
    std::string storeKey(const QueueGeneration &generation) const;

    std::uint32_t slot_;
    std::string name_;
    ChannelRegistry &channels_;
    DescriptorStore &store_;
    ClaimCells cells_;
    SenderMemory senders_;
    AbandonedRequests abandoned_;
    /** Cells of dead instances whose LOST had no room in its channel. */
    std::vector<std::uint32_t> untold_;
    /** Requests of dead instances whose senders were told so, as long as they are in flight. */
    std::vector<std::pair<ChannelId, Ticket>> lost_;
    QueueGenerationPtr current_;
    InstanceCounts published_;
};

}  // namespace Passenger
