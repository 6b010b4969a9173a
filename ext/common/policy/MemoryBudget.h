#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/Clock.h"

namespace Passenger {

/** An application that shares the budget. Memory is in bytes. */
struct BudgetApp {
    /** Its own budget; 0: none. */
    std::uint64_t budget = 0;
    /** Of an instance that has just started; 0: unknown. */
    std::uint64_t fresh = 0;
    unsigned starting = 0;
    /** Its processes wait for memory (PSI of its control group). */
    bool pressed = false;
};

struct BudgetInstance {
    enum class State {
        IDLE,
        BUSY,
        /** An administrator has disabled it. */
        HELD,
        /** Ends soon, and has its memory until then. */
        LEAVING
    };

    /** Its index in BudgetSnapshot::apps. */
    std::size_t app = 0;
    State state = State::IDLE;
    /** 0: not measured yet. */
    std::uint64_t bytes = 0;
    /** It serves until its successor does. */
    bool due = false;
    MonotonicTime since{};
};

struct BudgetSnapshot {
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
 * matters when memory is short. Under pressure a budget is a tenth less than what is in use.
 */
class MemoryBudget {
public:
    enum class Start {
        /** One more instance, or the first one. */
        GROW,
        /** Of an instance that ends as soon as this one serves. */
        SUCCESSOR
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
            PREDECESSOR_FIRST
        };
        Verdict verdict = Verdict::START;
        /** What makes room for it. */
        std::optional<Action> action{};
    };

    explicit MemoryBudget(BudgetSnapshot snapshot);

    /**
     * The next action that the budgets need; nothing: none. Above a budget, in this order:
     * 1. An idle instance of an application over its share ends, first that of the application that
     *    is the most over it.
     * 2. The instance that has grown most ends after its requests.
     * 3. An idle instance of an application that has a further one ends.
     * 4. A busy instance of an application over its share that has a further one ends after its
     *    requests.
     * Near a budget, the instance that has grown most is replaced while its successor has room.
     */
    std::optional<Action> relief() const;
    /**
     * Whether the application may start an instance. The first instance of an application gets room
     * from idle instances, first from those of applications over their share, else from busy ones
     * of these that have served for five seconds. A further one gets room only for the
     * application's share. An instance that would be alone always starts.
     */
    Admission admit(std::size_t app, Start start, MonotonicTime now) const;

    /** Of all instances, those on their way included. */
    std::uint64_t used() const noexcept {
        return all_.used;
    }
    std::uint64_t usedBy(std::size_t app) const {
        return apps_[app].used;
    }
    std::uint64_t shareOf(std::size_t app) const;
    /** Whether a budget is exceeded, even when all that leave have left. */
    bool isExceeded() const;
    /** Whether half of a budget is in use, so that it must be looked at often. */
    bool isNear() const;

private:
    struct Sum {
        std::uint64_t limit = 0;
        std::uint64_t used = 0;
        /** Of this, what instances have that leave, and what those have grown that are due. */
        std::uint64_t leaving = 0;
        std::uint64_t grownDue = 0;
        /** Instances that do not leave. */
        unsigned staying = 0;

        bool isOver() const noexcept {
            return limit > 0 && used - leaving > limit;
        }
    };
    using Scope = std::optional<std::size_t>;

    const Sum &sumOf(Scope app) const {
        return app ? apps_[*app] : all_;
    }
    /** Whether the application has instances, and so a part of the budget. */
    bool shares(std::size_t app) const {
        return apps_[app].used > 0 || apps_[app].staying > 0 || snapshot_.apps[app].starting > 0;
    }
    std::size_t sharersWith(std::size_t app) const {
        return sharers_ + (shares(app) ? 0 : 1);
    }
    std::uint64_t shareAmong(std::size_t sharers, std::size_t app) const;
    std::int64_t excess(std::size_t sharers, std::size_t app) const;
    std::uint64_t freshOf(std::size_t app) const;
    std::uint64_t sizeOf(const BudgetInstance &instance) const;
    std::uint64_t sizeOfFurther(std::size_t app) const;
    std::uint64_t grown(const BudgetInstance &instance) const;
    bool leaks(const BudgetInstance &instance) const;
    template <typename Fits, typename Before> std::optional<std::size_t> first(Fits fits, Before before) const;
    bool comesBefore(std::size_t sharers, const BudgetInstance &a, const BudgetInstance &b) const;
    std::optional<Action> endIn(Scope scope) const;
    std::optional<Action> replaceIn(Scope scope) const;
    std::optional<Action> roomFor(std::size_t app, bool isFirst, std::uint64_t size, MonotonicTime now) const;

    const BudgetSnapshot snapshot_;
    Sum all_;
    std::vector<Sum> apps_;
    /** How many applications have instances. */
    std::size_t sharers_ = 0;
};

}  // namespace Passenger
