#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "exchange/QueueCache.h"
#include "io/RequestQueue.h"
#include "shm/Claims.h"
#include "shm/GenerationTable.h"
#include "shm/GenerationTableView.h"
#include "shm/InFlightTable.h"
#include "shm/SenderMemory.h"
#include "support/ManualClock.h"

namespace Passenger {

/** Answers like an agent, and counts the questions. */
class CountingCache final : public QueueCache {
public:
    CountingCache() : view_(table_.memory().descriptor()) { next(); }
    ~CountingCache() override { dropChannels(); }

    /** Makes another generation the current one. */
    void next() {
        generation_ = Generation(generation_.value() + 1);
        table_.publish(0, generation_, {});
    }
    /** Stops the application. */
    void down() { table_.publish(0, Generation(), {}); }
    void replaceAgent() { forget(); }
    void closeQueue() { queue_.shutDown(); }

    InFlightTable &inFlightTable() override { return inFlightTable_; }
    std::uint32_t childSlot() const override { return 0; }
    const GenerationTableView &generations() const override { return view_; }
    const Clock &clock() const noexcept override { return time; }
    void wakeAgent() noexcept override {}
    void awaitsAnswer(unsigned /*inFlight*/, unsigned /*capacity*/) noexcept override {}
    bool tellSlow(const QueueLink & /*link*/, ChannelId /*channel*/, Ticket /*ticket*/,
                  std::chrono::milliseconds /*time*/) noexcept override {
        return true;
    }
    void tellOverrun(const QueueLink & /*link*/, ChannelId /*channel*/, Ticket /*ticket*/,
                     std::chrono::milliseconds /*time*/) noexcept override {}

    ManualClock time;
    unsigned attached = 0;
    /** The times that the agent was told options. */
    unsigned told = 0;
    unsigned registered = 0;
    unsigned unregistered = 0;
    bool refuses = false;
    /** So many registrations find no descriptor. */
    unsigned shortages = 0;
    /** Whether the agent gets messages. */
    bool reachable = true;
    /** The entry of an unused channel of another application. */
    static constexpr std::uint32_t UNUSED_ENTRY = 17;
    Generation lastUnusable;
    /** The instance's ends of the registered channels, as the agent has them. */
    std::vector<FileDescriptor> instanceEnds;
    /** The own queues of the instances that serve. */
    std::map<std::uint32_t, RequestQueue> instances;

protected:
    Links attach(const Options &options, Generation unusable) override {
        attached++;
        lastUnusable = unusable;
        const auto instance = instances.find(options.request.queue.number());
        return Links::of(makeLink(0, generation_, queue_.sendingEnd().duplicate(),
                                  claims_.memory().readOnlyDescriptor(), senders_.memory().descriptor()),
                         instance == instances.end() ? FileDescriptor() : instance->second.sendingEnd().duplicate());
    }
    bool tellOptions(const Options &) noexcept override {
        told++;
        return reachable;
    }
    std::optional<ChannelId> registerChannel(const FileDescriptor &instanceEnd, const QueueLink &,
                                             const ChannelSecret &) override {
        registered++;
        if (refuses) {
            throw IOException("as ordered");
        }
        if (shortages > 0) {
            shortages--;
            throw DescriptorShortageException("as ordered");
        }
        instanceEnds.push_back(instanceEnd.duplicate());
        return ChannelId(registered);
    }
    bool unregisterChannels(std::span<const ChannelId> channels) noexcept override {
        unregistered += reachable ? static_cast<unsigned>(channels.size()) : 0;
        return reachable;
    }
    void relieve() override { inFlightTable_.release(UNUSED_ENTRY); }

private:
    InFlightTable inFlightTable_;
    GenerationTable table_;
    GenerationTableView view_;
    Generation generation_;
    RequestQueue queue_;
    Claims claims_;
    SenderMemory senders_;
};

}  // namespace Passenger
