#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/Clock.h"
#include "exchange/Options.h"
#include "policy/MemoryBudget.h"
#include "pool/PoolContext.h"
#include "pool/Process.h"

namespace Passenger {

class Scaler;

/**
 * Keeps the memory of the instances within the budgets (PassengerMemoryBudget): asks MemoryBudget
 * what has to happen, and has the applications do it. Without budgets it does nothing.
 *
 * Owned by the Room; guarded by the pool's lock. Nothing in it waits: MemoryCheck measures.
 */
class MemoryRoom {
public:
    using Verdict = MemoryBudget::Admission::Verdict;

    /** Both outlive this object. */
    MemoryRoom(const PoolSettings &settings, const std::vector<Scaler *> &applications)
        : settings_(settings), applications_(applications) {}

    /** Whether memory matters for an application with these options, so that it is measured. */
    bool isLimited(const Options &options) const REQUIRES(poolLock) {
        return settings_.memoryBudget > 0 || options.memoryBudget > 0;
    }
    /** The same for any application. */
    bool isLimited() const REQUIRES(poolLock);

    /** Whether the application may start an instance. Has others make room where that is fair. */
    Verdict admit(Scaler &application, MemoryBudget::Start start, MonotonicTime now) REQUIRES(poolLock);
    /** Whether a further instance has room that is free. */
    bool isFreeFor(const Scaler &application, MonotonicTime now) const REQUIRES(poolLock);
    /** Whether the application was not admitted, and still asks. */
    bool keepsWaiting(const Scaler &application) const REQUIRES(poolLock);
    /** The application does not ask any more. */
    void satisfied(const Scaler &application) REQUIRES(poolLock);
    void forget(const Scaler &application) REQUIRES(poolLock) {
        known_.erase(&application);
    }

    void noteMemory(const Scaler &application, Process &process, std::uint64_t bytes) REQUIRES(poolLock);
    /** In percent, of the host and of applications, by slot. */
    void notePressure(double host, const std::map<std::uint32_t, double> &applications) REQUIRES(poolLock);
    /** Does what the budgets need. Called when all instances were measured. */
    void relieve(MonotonicTime now) REQUIRES(poolLock);
    /** Whether half of a budget was used when the instances were last measured. */
    bool isNear() const noexcept REQUIRES(poolLock) {
        return near_;
    }

    // ----- For the status, in bytes; as of the last measurement

    /** Of the server; 0: none. */
    std::uint64_t budget() const REQUIRES(poolLock);
    /** What all instances use; 0: there is no budget. */
    std::uint64_t used() const noexcept REQUIRES(poolLock) {
        return used_;
    }
    /** The application's share; 0: it has none. */
    std::uint64_t shareOf(const Scaler &application) const REQUIRES(poolLock);

private:
    struct Known {
        /** Of instances that have just started. */
        std::uint64_t fresh = 0;
        std::uint64_t share = 0;
        bool pressed = false;
        /** It waits for memory; for its first instance. */
        bool waits = false;
        bool waitsForFirst = false;
        std::optional<MonotonicTime> logged;
    };
    struct View {
        BudgetSnapshot snapshot;
        std::vector<ProcessPtr> processes;
    };

    std::uint64_t ownBudget(const Options &options) const REQUIRES(poolLock);
    View look(MonotonicTime now) const REQUIRES(poolLock);
    std::string explain(const MemoryBudget &budget, const View &view, std::size_t app) const REQUIRES(poolLock);
    void act(const MemoryBudget &budget, const View &view, const MemoryBudget::Action &action, const char *why,
             bool restored) REQUIRES(poolLock);
    std::size_t indexOf(const Scaler &application) const REQUIRES(poolLock);

    const PoolSettings &settings_;
    const std::vector<Scaler *> &applications_;
    std::map<const Scaler *, Known> known_;
    std::uint64_t used_ = 0;
    bool pressed_ = false;
    bool near_ = false;
    bool exceeded_ = false;
};

}  // namespace Passenger
