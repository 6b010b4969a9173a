#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/Clock.h"
#include "base/Exceptions.h"
#include "base/FileDescriptor.h"
#include "base/StrongId.h"
#include "io/ReplyChannel.h"
#include "shm/ClaimsView.h"
#include "shm/GenerationTableView.h"
#include "shm/InFlightTable.h"
#include "shm/SenderMemoryView.h"

namespace Passenger {

/** The application takes no request now, or none could be started. */
class RefusedException : public IOException {
public:
    RefusedException(std::uint16_t status, std::string reportId, const std::string &text)
        : IOException(text), status_(status), reportId_(std::move(reportId)) {}
    /** HTTP status to answer with: 500, 503 or 504. */
    std::uint16_t status() const noexcept {
        return status_;
    }
    const std::string &reportId() const noexcept {
        return reportId_;
    }

private:
    std::uint16_t status_;
    std::string reportId_;
};

/** The queue had no room for the request. */
class QueueFullException : public RefusedException {
public:
    explicit QueueFullException(const std::string &text) : RefusedException(503, "", text) {}
};

/** The claims and marks of one Group, mapped once in a process that sends to it. Thread-safe. */
struct GroupMemory {
    ClaimsView claims;
    SenderMemoryView senders;
};

/**
 * Where a sender puts requests: into one generation of a Group's line, or into the queue of one of
 * its instances. Never changes; shared by the exchanges that use it.
 */
struct QueueLink {
    std::uint32_t groupSlot = 0;
    /** Of the application's queue; that of an instance's queue is over no later. */
    Generation generation;
    FileDescriptor sending;
    std::shared_ptr<GroupMemory> memory;
    /** Which agent gave it: one that is replaced begins another epoch. Reply channels of another
     *  epoch are not known to it. */
    std::uint64_t epoch = 0;
};

using QueueLinkPtr = std::shared_ptr<const QueueLink>;

/** A link of what an ATTACHED frame brings. @throws SystemException, ProtocolException */
inline std::shared_ptr<QueueLink> makeLink(std::uint32_t groupSlot, Generation generation, FileDescriptor sending,
                                           const FileDescriptor &claims, const FileDescriptor &senders) {
    auto link = std::make_shared<QueueLink>();
    link->groupSlot = groupSlot;
    link->generation = generation;
    link->sending = std::move(sending);
    link->memory = std::make_shared<GroupMemory>(GroupMemory{ClaimsView(claims), SenderMemoryView(senders)});
    return link;
}

/** How many requests may wait in the application's line, and how long. Zero: no limit. */
struct QueueLimits {
    unsigned size = 0;
    std::chrono::milliseconds time{0};
    /** As Options::maxInFlight. */
    unsigned inFlight = 0;
    /** As Options::maxRequestTime. */
    std::chrono::milliseconds work{0};
};

/**
 * What an Exchange needs of the process it runs in, for one application: the current line, reply
 * channels, the in-flight table. Implemented for httpd's children (client/AppLink) and for the
 * pool's own process (pool/LocalSender), by way of QueueCache. Thread-safe; outlives its exchanges.
 */
class QueueHost {
public:
    virtual ~QueueHost() = default;

    /** The line's current generation, or the queue of the instance that the request is for, where
     *  that serves. Asks the agent only when that instance is unknown, or the generation table says
     *  that what is known is old, or when it is `unusable` (it was found closed). May block.
     *  @throws RefusedException, IOException, SystemException */
    virtual QueueLinkPtr link(Generation unusable = Generation()) = 0;
    /** A channel that no other exchange uses. None: the agent was replaced, and the link is worth
     *  nothing any more.
     *  @throws IOException, SystemException */
    virtual std::unique_ptr<ReplyChannel> takeChannel(const QueueLink &link) = 0;
    /** Gives a channel back. `clean`: nothing more can come or be taken on it that belongs to the
     *  exchange that ended. */
    virtual void giveBack(std::unique_ptr<ReplyChannel> channel, bool clean) noexcept = 0;

    virtual InFlightTable &inFlightTable() = 0;
    virtual std::uint32_t childSlot() const = 0;
    virtual const GenerationTableView &generations() const = 0;
    /** Tells the agent that a Group's marks say `wanted`. */
    virtual void wakeAgent() noexcept = 0;

    /** Tells the agent that an instance has worked too long at this request, which is given up now:
     *  it kills the instance. */
    virtual void overran(const QueueLink &link, ChannelId channel, Ticket ticket) noexcept = 0;

    /** A descriptor that hangs up when the agent has died, and stays open even then; -1: it
     *  cannot. */
    virtual int agentLife() const noexcept {
        return -1;
    }

    /** Of the request at hand. */
    virtual QueueLimits limits() const noexcept = 0;
    /** When the process ends, and nobody waits in a line any longer whom no limit of time ends
     *  before. Nothing: it does not end. */
    virtual std::optional<MonotonicTime> endOfWaiting() const noexcept {
        return std::nullopt;
    }
    /** Tests have another. */
    virtual const Clock &clock() const noexcept {
        return SystemClock::instance();
    }
};

using QueueHostPtr = std::shared_ptr<QueueHost>;

}  // namespace Passenger
