#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/Clock.h"

namespace Passenger {

/** An application that may share the budget. Memory is in bytes. */
struct BudgetApp {
    /** Its own budget; 0: none. */
    std::uint64_t budget = 0;
    /** The memory of an instance that has just started; 0: unknown. */
    std::uint64_t fresh = 0;
    unsigned starting = 0;
    /** When the last of these was ordered. */
    MonotonicTime startedAt{};
    /** Its processes wait for memory (PSI of its control group). */
    bool pressed = false;
    /** For how long it has waited for the memory of its first instance. */
    std::chrono::nanoseconds waited{0};
};

struct BudgetInstance {
    enum class State {
        IDLE,
        BUSY,
        /** Its version has not taken over yet. */
        HELD,
        /** Ends soon, and has its memory until then. */
        LEAVING
    };

    /** Its index in BudgetSnapshot::apps. */
    std::size_t app = 0;
    State state = State::IDLE;
    /** 0: not measured yet. */
    std::uint64_t bytes = 0;
    /** The bytes that came since the instance's start, and whether the growth goes on
     *  (MemoryGrowth). */
    std::uint64_t grown = 0;
    bool growsOn = false;
    /** The instance serves until its successor does. */
    bool due = false;
    /** Since when it serves; LEAVING: since when it leaves. */
    MonotonicTime since{};

    bool mayEnd() const noexcept { return state == State::IDLE || state == State::BUSY; }
};

struct BudgetSnapshot {
    MonotonicTime now{};
    /** The budget of all applications together; 0: none. */
    std::uint64_t budget = 0;
    /** The processes of the host wait for memory (PSI). */
    bool pressed = false;
    std::vector<BudgetApp> apps;
    std::vector<BudgetInstance> instances;
};

/**
 * The memory of the instances beside their budgets (PassengerMemoryBudget), in one snapshot.
 * reliefOf() says which instances have to end, and MemoryAdmission which may start. Pure.
 *
 * An application's share is its own budget. Without one it is an equal part of the server's budget
 * among the applications that have instances. An application may use unused memory of others: a
 * share matters when memory is short. Where the server has no budget, the applications with one do
 * not affect each other, and those without one are ignored. Under pressure the limit is a tenth
 * less than the memory in use, for further and for idle instances.
 */
class MemoryBudget {
public:
    /** A first instance waits for so long before it takes memory of others within their share. */
    static constexpr std::chrono::seconds PATIENCE{30};

    /** An order for one instance. */
    struct Action {
        enum class Kind {
            /** The instance is idle, and ends. */
            END,
            /** The instance ends when it has answered its requests. */
            END_AFTER_REQUESTS,
            /** The instance ends after its successor has started. */
            REPLACE
        };
        std::size_t instance = 0;
        Kind kind = Kind::END;
    };
    /** The memory of one application, or of all, in bytes. */
    struct Sum {
        /** 0: none. */
        std::uint64_t budget = 0;
        /** The budget, or less under pressure; 0: none. */
        std::uint64_t limit = 0;
        /** Memory of all instances. Those that start or leave are included. */
        std::uint64_t used = 0;
        /** Memory of leaving instances. */
        std::uint64_t leaving = 0;
        /** Memory of instances that began to leave less than 2 s ago. */
        std::uint64_t leavingSoon = 0;
        /** Memory of instances that began to leave less than 30 s ago. */
        std::uint64_t leavingInTime = 0;
        /** Growth of the instances that serve until their successors do. */
        std::uint64_t grownDue = 0;
        /** Memory of instances that may be told to end. */
        std::uint64_t endable = 0;
        /** Instances that do not leave. */
        unsigned staying = 0;
        /** Instances of unknown size that began to start or to serve less than 10 s ago. */
        unsigned unknown = 0;

        /** The memory in use when all leaving instances have left. */
        std::uint64_t later() const noexcept { return used - leaving; }
        bool isOver() const noexcept { return limit > 0 && later() > limit; }
        bool isExceeded() const noexcept { return budget > 0 && later() > budget; }
    };
    /** An application, or nothing: all of them. */
    using Scope = std::optional<std::size_t>;

    explicit MemoryBudget(BudgetSnapshot snapshot);

    const BudgetSnapshot &snapshot() const noexcept { return snapshot_; }
    const Sum &all() const noexcept { return all_; }
    const Sum &sumOf(Scope scope) const { return scope ? apps_[*scope] : all_; }
    /** The memory of all instances, those that start or leave included. */
    std::uint64_t used() const noexcept { return all_.used; }
    std::uint64_t usedBy(std::size_t app) const { return apps_[app].used; }
    std::uint64_t shareOf(std::size_t app) const { return shareAmong(sharersWith(app), app); }
    /** Whether the scope's own budget is exceeded, even when all that leave have left. */
    bool isExceeded(Scope scope) const { return sumOf(scope).isExceeded(); }
    /** Whether half of a budget is in use, so that it must be looked at often. */
    bool isNear() const;
    /** Whether the application's memory counts for a budget. */
    bool isLimited(std::size_t app) const { return snapshot_.budget > 0 || snapshot_.apps[app].budget > 0; }

    // ----- For decisions

    /** How many applications have instances, and so a part of the budget. */
    std::size_t sharers() const noexcept { return sharers_; }
    /** The same, with this one. */
    std::size_t sharersWith(std::size_t app) const { return sharers_ + (shares(app) ? 0 : 1); }
    /** By how much the application is over its share among so many sharers. Memory of instances
     *  that leave does not count. */
    std::int64_t excess(std::size_t sharers, std::size_t app) const;
    /** The size of a new instance; 0: unknown. Of an application that is not known yet, as of the
     *  others on average. */
    std::uint64_t freshOf(std::size_t app) const { return fresh_[app] > 0 ? fresh_[app] : average_; }
    std::uint64_t sizeOf(const BudgetInstance &instance) const {
        return instance.bytes > 0 ? instance.bytes : freshOf(instance.app);
    }
    /** For how long it serves, or leaves. */
    std::chrono::nanoseconds timeOf(const BudgetInstance &instance) const { return snapshot_.now - instance.since; }
    /** The order of ends: first those of applications that are most over their share, then large
     *  instances. */
    bool endsBefore(std::size_t sharers, const BudgetInstance &a, const BudgetInstance &b) const;
    /** The first of the fitting instances in the order of `before`. */
    template <typename Fits, typename Before> std::optional<std::size_t> first(Fits fits, Before before) const {
        std::optional<std::size_t> best;
        for (std::size_t i = 0; i < snapshot_.instances.size(); i++) {
            const BudgetInstance &instance = snapshot_.instances[i];
            if (fits(instance) && (!best || before(instance, snapshot_.instances[*best]))) {
                best = i;
            }
        }
        return best;
    }
    Action ending(std::size_t instance) const;
    /** The sums become those after the action. */
    void apply(const Action &action);

private:
    bool shares(std::size_t app) const {
        return apps_[app].used > 0 || apps_[app].staying > 0 || snapshot_.apps[app].starting > 0;
    }
    void add(const BudgetInstance &instance);
    void press();
    std::uint64_t shareAmong(std::size_t sharers, std::size_t app) const;

    BudgetSnapshot snapshot_;
    Sum all_;
    std::vector<Sum> apps_;
    std::size_t sharers_ = 0;
    /** Of new instances, by application; 0: unknown. */
    std::vector<std::uint64_t> fresh_;
    /** Of a new instance, as the known applications have it on average; 0: none is known. */
    std::uint64_t average_ = 0;
};

}  // namespace Passenger
