#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace Passenger {

/** The machine for which limits are computed. A plain value, in bytes. */
struct SizingMachine {
    /** All of it, or what the control group allows. */
    std::uint64_t memory = 0;
    unsigned cores = 1;
    /** Used by programs that are neither httpd nor mod_passenger. */
    std::uint64_t others = 0;
    /** Used by httpd, the agent and preloaders, and by instances together. */
    std::uint64_t shared = 0;
};

/** An application for which limits are computed. A plain value. */
struct SizingApp {
    std::string name;
    unsigned instances = 0;
    /** The private memory of one instance, on average, in bytes. 0: not measured. */
    std::uint64_t privateMemory = 0;
    /** Requests that an instance can run at once. */
    unsigned concurrency = 1;
    /** PassengerMaxRequestQueueSize. 0: none. */
    unsigned queueLimit = 0;
};

/**
 * Computes PassengerMaxPoolSize and MaxRequestWorkers. Never changes. The rules are in
 * doc/SIZING.md.
 */
class Sizing {
public:
    /** @param apps at least one, of which one has privateMemory */
    Sizing(SizingMachine machine, std::vector<SizingApp> apps);

    /** A fifth of the memory, which nothing is planned for. */
    std::uint64_t reserve() const noexcept;
    /** What is left for the private memory of instances, once MaxRequestWorkers threads have
     *  theirs. */
    std::uint64_t room() const noexcept;
    /** The private memory of an instance of the largest application. */
    std::uint64_t largestInstance() const noexcept;

    /** Instances that keep all cores busy; one process of an interpreter computes on one core. */
    unsigned poolByCores() const noexcept;
    /** Instances for which there is memory while one more takes another one's place; at least 1. */
    unsigned poolByMemory() const noexcept;
    /** The value for PassengerMaxPoolSize. */
    unsigned maxPoolSize() const noexcept;
    /** Whether there is memory for one instance of each application and one that takes another
     *  one's place. */
    bool memorySuffices() const noexcept;

    /** Most requests that the pool can have in work. */
    unsigned requestsInWork() const noexcept;
    /** The longest queue of one application. */
    unsigned requestsWaiting() const noexcept;
    /** The value for MaxRequestWorkers. */
    unsigned maxRequestWorkers() const noexcept;

    const SizingMachine &machine() const noexcept { return machine_; }
    const std::vector<SizingApp> &apps() const noexcept { return apps_; }

private:
    unsigned wantedPool() const noexcept;
    unsigned workersFor(unsigned pool) const noexcept;
    unsigned mostConcurrency() const noexcept;

    SizingMachine machine_;
    std::vector<SizingApp> apps_;
};

/** The recommendation with its reasons. @param presentPool PassengerMaxPoolSize; 0: unknown */
std::string sizingForm(const Sizing &sizing, unsigned presentPool);
/** The sizing as JSON, in bytes. */
std::string sizingJson(const Sizing &sizing, unsigned presentPool);

}  // namespace Passenger
