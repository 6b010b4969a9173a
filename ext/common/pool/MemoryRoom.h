#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/Clock.h"
#include "base/ProcessMemory.h"
#include "exchange/Options.h"
#include "policy/MemoryAdmission.h"
#include "policy/MemoryBudget.h"
#include "pool/GetFailure.h"
#include "pool/PoolContext.h"
#include "pool/Process.h"

namespace Passenger {

class Scaler;

/**
 * Keeps the memory of the instances within the budgets (PassengerMemoryBudget): asks
 * MemoryAdmission and reliefOf() what has to happen, and has the applications do it. Without
 * budgets it does nothing.
 *
 * Owned by the Room; guarded by the pool's lock. Nothing in it waits: MemoryCheck measures.
 */
class MemoryRoom {
public:
    using Verdict = MemoryAdmission::Verdict;

    /** Both outlive this object. */
    MemoryRoom(const PoolSettings &settings, const std::vector<Scaler *> &applications)
        : settings_(settings), applications_(applications) {}

    /** Whether memory matters for the application. */
    bool isLimited(const Scaler &application) const REQUIRES(poolLock) {
        return settings_.memoryBudget > 0 || ownBudget(application) > 0;
    }
    /** Whether memory matters for any application. */
    bool isLimited() const REQUIRES(poolLock);

    /** Whether the application may start an instance. Has others make room where that is fair. */
    Verdict admit(Scaler &application, MemoryAdmission::Start start, MonotonicTime now) REQUIRES(poolLock);
    /** Whether a further instance has room that is free. */
    bool isFreeFor(const Scaler &application, MonotonicTime now) const REQUIRES(poolLock);
    /** Whether the application was not admitted, and still asks. */
    bool keepsWaiting(const Scaler &application) const REQUIRES(poolLock);
    /** Whether only its own budget has refused its last wish. */
    bool isHeldBackByOwn(const Scaler &application) const REQUIRES(poolLock);
    /** The refusal of the application's requests if it can never start beside others. */
    GetFailure refusalOf(const Scaler &application) const REQUIRES(poolLock);
    /** The application does not ask any more. */
    void satisfied(const Scaler &application) REQUIRES(poolLock);
    void forget(const Scaler &application) REQUIRES(poolLock) { known_.erase(&application); }

    /** The server's budget is about to be this one, in MB. Options have inherited the old one. */
    void budgetChanges(unsigned next) REQUIRES(poolLock);
    /** The application has options of the present configuration. */
    void optionsCame(const Scaler &application) REQUIRES(poolLock);
    /** The next instance may have another size. One that was too large may be tried again. */
    void versionChanged(const Scaler &application) REQUIRES(poolLock);
    /** A new instance serves. It is measured at once if the application's size is not known. */
    void joined(const Scaler &application, MonotonicTime now) REQUIRES(poolLock);
    /** Whether it has instances with a memory limit or a memory budget. */
    bool isJudged(const Scaler &application) const REQUIRES(poolLock);
    /** When MemoryCheck measures next; nothing: it has nothing to measure. */
    std::optional<MonotonicTime> nextCheck(const Scaler &application) const REQUIRES(poolLock) {
        return isJudged(application) ? nextCheck_ : std::nullopt;
    }
    bool isCheckDue(MonotonicTime now) const noexcept REQUIRES(poolLock) { return nextCheck_ && now >= *nextCheck_; }
    void setNextCheck(MonotonicTime date) noexcept REQUIRES(poolLock) { nextCheck_ = date; }
    void noteMemory(const Scaler &application, Process &process, const ProcessMemory &memory, MonotonicTime now)
        REQUIRES(poolLock);
    /** In percent, of the server and of applications, by slot. */
    void notePressure(double server, const std::map<std::uint32_t, double> &applications) REQUIRES(poolLock);
    /** Does what the budgets need. Called when all instances were measured. */
    void relieve(MonotonicTime now) REQUIRES(poolLock);
    /** Whether half of a budget was used when the instances were last measured. */
    bool isNear() const REQUIRES(poolLock) { return near_ && isLimited(); }

    // ----- For the status, in bytes; as of the last measurement

    /** The budget of the server; 0: it has none. */
    std::uint64_t budget() const REQUIRES(poolLock);
    /** The memory of all instances in bytes; 0: the server has no budget. */
    std::uint64_t used() const noexcept REQUIRES(poolLock) { return settings_.memoryBudget > 0 ? used_ : 0; }
    /** The application's share; 0: it has none. */
    std::uint64_t shareOf(const Scaler &application) const REQUIRES(poolLock);

private:
    struct Known {
        /** The bytes of instances that have just started. */
        std::uint64_t fresh = 0;
        std::uint64_t share = 0;
        /** When an instance was last ordered. */
        MonotonicTime startedAt{};
        bool pressed = false;
        bool exceeded = false;
        bool waits = false;
        /** Since when it waits for its first instance, which others' memory would do for. Its
         *  clients may leave and come again meanwhile. */
        std::optional<MonotonicTime> waitsSince;
        /** When it last asked in vain. */
        MonotonicTime askedAt{};
        /** Only its own budget has refused its last wish. */
        bool heldBackByOwn = false;
        std::optional<MonotonicTime> logged;
        /** The budget in its options, in MB, is one that the server had. */
        std::optional<unsigned> inherited;
    };
    struct View {
        BudgetSnapshot snapshot;
        std::vector<ProcessPtr> processes;
    };

    /** In bytes; 0: none. */
    std::uint64_t ownBudget(const Scaler &application) const REQUIRES(poolLock);
    Known knownOf(const Scaler &application) const REQUIRES(poolLock);
    View look(MonotonicTime now) const REQUIRES(poolLock);
    std::string explain(const MemoryBudget &budget, const View &view, std::size_t app) const REQUIRES(poolLock);
    void act(const MemoryBudget &budget, const View &view, const MemoryBudget::Action &action, const char *why,
             bool restored) REQUIRES(poolLock);
    std::size_t indexOf(const Scaler &application) const REQUIRES(poolLock);
    void noteUse(const MemoryBudget &budget) REQUIRES(poolLock);
    void forgetAll() REQUIRES(poolLock);

    const PoolSettings &settings_;
    const std::vector<Scaler *> &applications_;
    std::map<const Scaler *, Known> known_;
    /** Nothing: instances cannot be measured. */
    std::optional<MonotonicTime> nextCheck_;
    std::uint64_t used_ = 0;
    bool pressed_ = false;
    bool near_ = false;
    bool exceeded_ = false;
};

}  // namespace Passenger
