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
    /** Of an instance that has just started; 0: unknown. */
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
    /** Of these, what came since its start, and whether that goes on (MemoryGrowth). */
    std::uint64_t grown = 0;
    bool growsOn = false;
    /** It serves until its successor does. */
    bool due = false;
    /** Since when it serves; LEAVING: since when it leaves. */
    MonotonicTime since{};
};

struct BudgetSnapshot {
    MonotonicTime now{};
    /** Of all applications together; 0: none. */
    std::uint64_t budget = 0;
    /** The processes of the host wait for memory (PSI). */
    bool pressed = false;
    std::vector<BudgetApp> apps;
    std::vector<BudgetInstance> instances;
};

/**
 * Decides what has to happen so that the instances' memory stays within the budgets
 * (PassengerMemoryBudget). Pure, and never changes; a decision holds for one snapshot.
 *
 * An application's share is its own budget. Without one it is an equal part of the server's budget
 * among the applications that have instances. Memory that nobody uses may be borrowed: a share
 * matters when memory is short. Where the server has no budget, the applications with one do not
 * touch each other, and those without one are not looked at. Under pressure the limit is a tenth
 * less than what is in use, for further and for idle instances.
 *
 * Always true:
 * - **Starts.** Nothing starts beyond a budget, but an instance that is alone in it. Instances that
 *   start or leave count. A further instance leaves a tenth free. A first one, one that is restored
 *   and a successor do without this reserve, and start under pressure: they bring no more memory.
 *   While no size is known at all, one instance starts, and the next when that is measured.
 * - **Ends for a start.** Instances end for another application only if their memory suffices with
 *   what else is about to be free. Those of applications within their share end only for a first
 *   instance that is within its own share, or that has waited for half a minute. Idle ones end
 *   before busy ones.
 * - **Ends for the budget.** Busy instances end only above the budget itself. The last instance of
 *   an application ends if it is idle and the application is over its share, or if it leaks.
 * - **Progress.** A first instance that has waited for half a minute gets the memory of any that
 *   has served as long, one that is larger than the budget excepted: it never starts beside others.
 */
class MemoryBudget {
public:
    enum class Start {
        /** One more instance, or the first one. */
        GROW,
        /** In the place of an instance that has ended. */
        RESTORE,
        /** Of an instance that ends as soon as this one serves. */
        REPLACE,
        /** The first one of a new version. */
        DEPLOY
    };
    /** What an instance has to do. */
    struct Action {
        enum class Kind {
            /** It is idle, and ends. */
            END,
            /** It ends when it has answered its requests. */
            END_AFTER_REQUESTS,
            /** Its successor starts, and then it ends. */
            REPLACE
        };
        std::size_t instance = 0;
        Kind kind = Kind::END;
    };
    struct Admission {
        enum class Verdict {
            START,
            /** There may be room later. */
            WAIT,
            /** A successor has room only when its predecessor has ended. */
            PREDECESSOR_FIRST,
            /** The instance is larger than the server's budget, and other applications have
             *  instances. */
            NEVER
        };
        /** Whose memory it waits for. */
        enum class For {
            ALL,
            /** Only its own budget refuses. */
            OWN,
            /** The size of the first instance of all. */
            SIZE
        };
        Verdict verdict = Verdict::START;
        For waitsFor = For::ALL;
        /** What makes room for it. */
        std::vector<Action> actions{};
    };

    explicit MemoryBudget(BudgetSnapshot snapshot);

    /**
     * What the budgets need, in this order. Above a limit:
     * 1. Idle instances of applications over their share end, first those of the application that
     *    is the most over it.
     * 2. Instances that leak end after their requests, first of applications over their share, and
     *    those that have grown most. Only above a budget.
     * 3. Idle instances of applications that have a further one end.
     * 4. Busy instances of applications over their share that have a further one end after their
     *    requests. Only above a budget.
     * Near a limit, instances that leak are replaced while their successors have room. An instance
     * in its first minute is not: its successor would soon be as large.
     */
    std::vector<Action> relief() const;
    /**
     * Whether the application may start an instance. The first instance of an application gets room
     * from idle instances, first from those of applications over their share, else from busy ones
     * of these that have served for five seconds. Another one gets room only for the application's
     * share, from idle instances that others have beyond theirs.
     */
    Admission admit(std::size_t app, Start start) const;

    /** Of all instances, those on their way included. */
    std::uint64_t used() const noexcept {
        return all_.used;
    }
    std::uint64_t usedBy(std::size_t app) const {
        return apps_[app].used;
    }
    std::uint64_t shareOf(std::size_t app) const;
    /** Whether the application's own budget is exceeded, even when all that leave have left.
     *  Nothing: that of the server. */
    bool isExceeded(std::optional<std::size_t> app) const;
    /** Whether half of a budget is in use, so that it must be looked at often. */
    bool isNear() const;

private:
    struct Sum {
        std::uint64_t budget = 0;
        /** The budget, or less under pressure; 0: none. */
        std::uint64_t limit = 0;
        std::uint64_t used = 0;
        /** Of this, what instances have that leave, those of them that have left for a short time,
         *  and for less than half a minute; and what those have grown that are due. */
        std::uint64_t leaving = 0;
        std::uint64_t leavingSoon = 0;
        std::uint64_t leavingInTime = 0;
        std::uint64_t grownDue = 0;
        /** What instances have that may be told to end. */
        std::uint64_t endable = 0;
        /** Instances that do not leave, and those of unknown size. */
        unsigned staying = 0;
        unsigned unknown = 0;

        std::uint64_t later() const noexcept {
            return used - leaving;
        }
        bool isOver() const noexcept {
            return limit > 0 && later() > limit;
        }
        bool isExceeded() const noexcept {
            return budget > 0 && later() > budget;
        }
    };
    using Scope = std::optional<std::size_t>;
    /** An instance that is to start. */
    struct Wish {
        std::size_t app = 0;
        bool first = false;
        std::uint64_t size = 0;
        /** What belongs to an application that has waited longer. */
        std::uint64_t claimed = 0;
        std::size_t sharers = 1;
        /** Whether it is within its application's share. */
        bool fair = false;
        bool patient = false;
    };

    const Sum &sumOf(Scope app) const {
        return app ? apps_[*app] : all_;
    }
    /** Whether the application has instances, and so a part of the budget. */
    bool shares(std::size_t app) const {
        return apps_[app].used > 0 || apps_[app].staying > 0 || snapshot_.apps[app].starting > 0;
    }
    bool isLimited(std::size_t app) const {
        return snapshot_.budget > 0 || snapshot_.apps[app].budget > 0;
    }
    std::size_t sharersWith(std::size_t app) const {
        return sharers_ + (shares(app) ? 0 : 1);
    }
    std::chrono::nanoseconds timeOf(const BudgetInstance &instance) const {
        return snapshot_.now - instance.since;
    }
    void add(const BudgetInstance &instance);
    void press();
    void apply(const Action &action);
    std::uint64_t shareAmong(std::size_t sharers, std::size_t app) const;
    std::int64_t excess(std::size_t sharers, std::size_t app) const;
    std::uint64_t freshOf(std::size_t app) const;
    std::uint64_t sizeOf(const BudgetInstance &instance) const;
    std::uint64_t sizeOfFurther(std::size_t app) const;
    bool leaks(const BudgetInstance &instance) const;
    Action ending(std::size_t instance) const;
    template <typename Fits, typename Before> std::optional<std::size_t> first(Fits fits, Before before) const;
    bool comesBefore(std::size_t sharers, const BudgetInstance &a, const BudgetInstance &b) const;
    std::optional<Action> next() const;
    std::optional<Action> endIn(Scope scope) const;
    std::optional<Action> replaceIn(Scope scope) const;
    Admission admitFirst(const Wish &wish) const;
    std::uint64_t claimedBefore(std::size_t app) const;
    bool makesRoom(const Sum &sum, std::uint64_t missing, std::size_t app, Start start) const;
    std::vector<Action> room(const Wish &wish, std::uint64_t need, bool mayTakeBusy) const;
    std::optional<std::size_t> idleFor(const Wish &wish) const;
    std::optional<std::size_t> busyFor(const Wish &wish) const;

    BudgetSnapshot snapshot_;
    Sum all_;
    std::vector<Sum> apps_;
    /** How many applications have instances. */
    std::size_t sharers_ = 0;
    /** Of new instances, by application; 0: unknown. */
    std::vector<std::uint64_t> fresh_;
    /** Of a new instance, as the known applications have it on average; 0: none is known. */
    std::uint64_t average_ = 0;
};

}  // namespace Passenger
