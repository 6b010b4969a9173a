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
#include "base/SystemClock.h"
#include "exchange/BodyFilesInFlight.h"
#include "exchange/BusyPolling.h"
#include "exchange/Options.h"
#include "exchange/QueueDelay.h"
#include "io/ReplyChannel.h"
#include "shm/ClaimsView.h"
#include "shm/GenerationTableView.h"
#include "shm/InFlightTable.h"
#include "shm/SenderMemoryView.h"

namespace Passenger {

/** The application takes no request now, or no instance could be started. */
class RefusedException : public IOException {
public:
    RefusedException(std::uint16_t status, std::string reportId, const std::string &text)
        : IOException(text), status_(status), reportId_(std::move(reportId)) {}
    /** HTTP status to answer with: 500, 503 or 504. */
    std::uint16_t status() const noexcept { return status_; }
    const std::string &reportId() const noexcept { return reportId_; }

private:
    std::uint16_t status_;
    std::string reportId_;
};

/** This process or the agent has no descriptor left for a reply channel, or no entry in a table. */
class DescriptorShortageException : public RefusedException {
public:
    explicit DescriptorShortageException(const std::string &text) : RefusedException(503, "", text) {}
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
 * The destination of requests: one generation of a Group's queue, or the own queue of an instance.
 * Never changes; shared by the exchanges that use it.
 */
struct QueueLink {
    std::uint32_t groupSlot = 0;
    /** The generation of the application's queue. The own queue of an instance ends no later. */
    Generation generation;
    FileDescriptor sending;
    std::shared_ptr<GroupMemory> memory;
    /** The epoch of the agent that gave the queue. Each new agent begins another epoch, and does
     *  not know the reply channels of an earlier one. */
    std::uint64_t epoch = 0;
};

using QueueLinkPtr = std::shared_ptr<const QueueLink>;

/** A link from the contents of an ATTACHED frame. @throws SystemException, ProtocolException */
inline std::shared_ptr<QueueLink> makeLink(std::uint32_t groupSlot, Generation generation, FileDescriptor sending,
                                           const FileDescriptor &claims, const FileDescriptor &senders) {
    auto link = std::make_shared<QueueLink>();
    link->groupSlot = groupSlot;
    link->generation = generation;
    link->sending = std::move(sending);
    link->memory = std::make_shared<GroupMemory>(GroupMemory{ClaimsView(claims), SenderMemoryView(senders)});
    return link;
}

/**
 * What an Exchange needs of its process, for one application: the current queue, reply channels,
 * the in-flight table. Implementations: for httpd's children (client/AppLink), and for a pool's own
 * process (pool/LocalSender), which only tests use. Both are a QueueCache. Shared by the exchanges
 * that use it. Thread-safe.
 */
class QueueHost {
public:
    virtual ~QueueHost() = default;

    /** The current generation of the application's queue, or the own queue of the request's
     *  instance if that instance serves. Asks the agent only if the instance is unknown, the
     *  generation table has a newer generation, or the known one is `unusable` (its queue was found
     *  closed). May block then. Tells the agent options that differ from those it was told last.
     *  @param options of the request, for instances that are started from now on
     *  @throws RefusedException, IOException, SystemException */
    virtual QueueLinkPtr link(const Options &options, Generation unusable) = 0;
    /** A channel that no other exchange uses. Nothing: the agent was replaced, and the link can no
     *  longer be used.
     *  @throws IOException, SystemException */
    virtual std::unique_ptr<ReplyChannel> takeChannel(const QueueLink &link) = 0;
    /** Gives a channel back. `clean`: no message of the ended exchange can arrive or be read on
     *  this channel any more. */
    virtual void giveBack(std::unique_ptr<ReplyChannel> channel, bool clean) noexcept = 0;

    virtual InFlightTable &inFlightTable() = 0;
    virtual BodyFilesInFlight &bodyFiles() noexcept = 0;
    virtual QueueDelay &queueDelay() noexcept = 0;
    virtual BusyPolling &busyPolling() noexcept = 0;
    virtual std::uint32_t childSlot() const = 0;
    virtual const GenerationTableView &generations() const = 0;
    /** Wakes the agent, which then finds the Group's request for more instances. */
    virtual void wakeAgent() noexcept = 0;
    /** In the thread of a request that has been sent.
     *  @param inFlight requests of the application, this one included
     *  @param capacity requests that its instances can work at */
    virtual void awaitsAnswer(unsigned inFlight, unsigned capacity) noexcept = 0;

    /** Tells the agent that an instance has worked too long on this request, which ends now. The
     *  agent kills the instance. @param time the limit that the request exceeded */
    virtual void tellOverrun(const QueueLink &link, ChannelId channel, Ticket ticket,
                             std::chrono::milliseconds time) noexcept = 0;

    /** Tells the agent that the answer to this request has not begun within `time`. The agent logs
     *  it. Waits for 20 ms at most. False: the agent cannot be told now. */
    virtual bool tellSlow(const QueueLink &link, ChannelId channel, Ticket ticket,
                          std::chrono::milliseconds time) noexcept = 0;

    /** A descriptor that hangs up when the agent has died, and that stays open even then; -1: the
     *  agent cannot die before this process. */
    virtual int agentLife() const noexcept { return -1; }

    /** When requests stop waiting in a queue because the process ends, if no limit of time stops
     *  them before. Nothing: the process does not end. */
    virtual std::optional<MonotonicTime> endOfWaiting() const noexcept { return std::nullopt; }
    /** Tests have another clock. */
    virtual const Clock &clock() const noexcept { return SystemClock::instance(); }
};

using QueueHostPtr = std::shared_ptr<QueueHost>;

}  // namespace Passenger
