#include "policy/MemoryAdmission.h"

#include <algorithm>
#include <utility>

namespace Passenger {

namespace {

using Action = MemoryBudget::Action;
using For = MemoryAdmission::For;
using Kind = Action::Kind;
using Scope = MemoryBudget::Scope;
using Start = MemoryAdmission::Start;
using State = BudgetInstance::State;
using Sum = MemoryBudget::Sum;
using Verdict = MemoryAdmission::Verdict;
using std::chrono::seconds;

/** The part of a budget that is kept free of further instances. */
constexpr std::uint64_t RESERVE = 10;
/** A busy instance serves for so long before it makes room for another application. */
constexpr seconds TENURE{5};

/** An instance that is to start. */
struct Wish {
    std::size_t app = 0;
    Start start = Start::GROW;
    /** The first of the application's instances. */
    bool first = false;
    /** One more, beside others of the application. */
    bool further = false;
    /** 0: unknown. */
    std::uint64_t size = 0;
    /** What belongs to an application that has waited longer. */
    std::uint64_t claimed = 0;
    std::size_t sharers = 1;
    /** Whether it is within its application's share. */
    bool fair = false;
    /** Whether it has waited for half a minute. */
    bool patient = false;

    bool succeeds() const noexcept { return start == Start::REPLACE || start == Start::DEPLOY; }
};

std::uint64_t less(std::uint64_t a, std::uint64_t b) {
    return a > b ? a - b : 0;
}

/** A further instance becomes as large as the others are on average. */
std::uint64_t sizeOfFurther(const MemoryBudget &budget, std::size_t app) {
    std::uint64_t sum = 0;
    std::uint64_t count = 0;
    for (const BudgetInstance &instance : budget.snapshot().instances) {
        const bool counts = instance.app == app && instance.state != State::LEAVING;
        sum += counts ? budget.sizeOf(instance) : 0;
        count += counts ? 1 : 0;
    }
    return count > 0 ? std::max(sum / count, budget.freshOf(app)) : budget.freshOf(app);
}

/** What is about to be free for the first instance of the application that has waited longest, if
 *  that is another one, and has waited longer. */
std::uint64_t claimedBefore(const MemoryBudget &budget, std::size_t app) {
    const std::vector<BudgetApp> &apps = budget.snapshot().apps;
    const Sum &all = budget.all();
    std::size_t longest = app;
    for (std::size_t i = 0; i < apps.size(); i++) {
        const bool waits = budget.sumOf(i).staying == 0 && apps[i].starting == 0;
        longest = waits && apps[i].waited > apps[longest].waited ? i : longest;
    }
    const bool comes = all.used - all.leavingInTime + budget.freshOf(longest) <= all.budget;
    return longest != app && comes ? budget.freshOf(longest) : 0;
}

Wish wishOf(const MemoryBudget &budget, std::size_t app, Start start) {
    const BudgetApp &known = budget.snapshot().apps[app];
    const Sum &own = budget.sumOf(app);
    Wish wish{.app = app, .start = start};
    wish.first = !wish.succeeds() && own.staying == 0 && known.starting == 0;
    wish.further = start == Start::GROW && !wish.first;
    wish.size = wish.further ? sizeOfFurther(budget, app) : budget.freshOf(app);
    wish.claimed = claimedBefore(budget, app);
    wish.sharers = budget.sharersWith(app);
    wish.fair = own.later() + wish.size <= budget.shareOf(app);
    wish.patient = known.waited >= MemoryBudget::PATIENCE;
    return wish;
}

/** The memory that the scope's budget lacks for the instance, beside so much that is in use. */
std::uint64_t missingIn(const MemoryBudget &budget, const Wish &wish, Scope scope, std::uint64_t used) {
    const Sum &sum = budget.sumOf(scope);
    const std::uint64_t limit = wish.further ? sum.limit : sum.budget;
    const std::uint64_t reserve = (wish.further ? limit / RESERVE : 0) + (scope ? 0 : wish.claimed);
    return limit == 0 || (wish.first && used == 0) ? 0 : less(used + wish.size + reserve, limit);
}

/** Whether the ends of the predecessors free so much. */
bool makesRoom(const MemoryBudget &budget, const Wish &wish, const Sum &sum, std::uint64_t missing) {
    std::uint64_t freed = budget.sumOf(wish.app).endable;
    if (wish.start == Start::REPLACE) {
        const auto due =
            budget.first([&](const auto &one) { return one.app == wish.app && one.due && one.mayEnd(); },
                         [&](const auto &a, const auto &b) { return budget.sizeOf(a) < budget.sizeOf(b); });
        freed = due ? budget.sizeOf(budget.snapshot().instances[*due]) : 0;
    }
    return freed >= missing || (freed > 0 && sum.later() == freed);
}

std::optional<std::size_t> idleFor(const MemoryBudget &budget, const Wish &wish) {
    const auto isIdle = [&](const BudgetInstance &one) { return one.app != wish.app && one.state == State::IDLE; };
    const auto before = [&](const auto &a, const auto &b) { return budget.endsBefore(wish.sharers, a, b); };
    auto found = budget.first(
        [&](const BudgetInstance &one) {
            return isIdle(one) && budget.excess(wish.sharers, one.app) > 0 &&
                   (wish.first || budget.sumOf(one.app).staying > 1);
        },
        before);
    if (!found && wish.first) {
        found = budget.first(isIdle, before);
    }
    return found;
}

std::optional<std::size_t> busyFor(const MemoryBudget &budget, const Wish &wish) {
    const auto hasServed = [&](const BudgetInstance &one, seconds time) {
        return one.app != wish.app && one.state == State::BUSY && budget.timeOf(one) >= time;
    };
    const auto before = [&](const auto &a, const auto &b) { return budget.endsBefore(wish.sharers, a, b); };
    std::optional<std::size_t> found;
    if (wish.fair || wish.patient) {
        found = budget.first(
            [&](const auto &one) { return hasServed(one, TENURE) && budget.excess(wish.sharers, one.app) > 0; },
            before);
    }
    if (!found && wish.patient) {
        found = budget.first(
            [&](const auto &one) { return hasServed(one, TENURE) && budget.sumOf(one.app).staying > 1; }, before);
    }
    if (!found && wish.patient) {
        found = budget.first([&](const auto &one) { return hasServed(one, MemoryBudget::PATIENCE); },
                             [](const auto &a, const auto &b) { return a.since < b.since; });
    }
    return found;
}

/** The instances whose ends free so much; nothing: there are not enough. */
std::vector<Action> room(const MemoryBudget &budget, const Wish &wish, std::uint64_t need, bool mayTakeBusy) {
    MemoryBudget rest(budget);
    std::vector<Action> actions;
    std::uint64_t freed = 0;
    while (freed < need) {
        std::optional<std::size_t> one = idleFor(rest, wish);
        if (!one && mayTakeBusy) {
            one = busyFor(rest, wish);
        }
        if (!one) {
            return {};
        }
        actions.push_back(budget.ending(*one));
        rest.apply(actions.back());
        freed += budget.sizeOf(budget.snapshot().instances[*one]);
    }
    // A large one may have made others needless.
    for (std::size_t i = actions.size() - 1; i-- > 0;) {
        const std::uint64_t size = budget.sizeOf(budget.snapshot().instances[actions[i].instance]);
        if (freed - size >= need) {
            freed -= size;
            actions.erase(actions.begin() + static_cast<std::ptrdiff_t>(i));
        }
    }
    return actions;
}

/** Of an application without an instance that its own budget admits. */
MemoryAdmission admitFirst(const MemoryBudget &budget, const Wish &wish) {
    const Sum &all = budget.all();
    const bool others = all.later() > budget.sumOf(wish.app).later();
    if (others && budget.snapshot().apps[wish.app].fresh > all.budget) {
        return {Verdict::NEVER};
    }
    // An instance that would be alone starts.
    const auto missing = [&](std::uint64_t leaving) {
        return all.used == leaving ? 0 : less(all.used - leaving + wish.size + wish.claimed, all.budget);
    };
    MemoryAdmission admission{Verdict::WAIT};
    if (const std::uint64_t need = missing(all.leavingSoon); need > 0) {
        admission.actions = room(budget, wish, need, false);
    }
    // Idle ones would end too early while busy ones do.
    if (const std::uint64_t need = missing(all.leavingInTime); need > 0 && admission.actions.empty()) {
        admission.actions = room(budget, wish, need, true);
        std::erase_if(admission.actions, [](const Action &action) { return action.kind == Kind::END; });
    }
    return admission;
}

/** Of a further instance, one that is restored, or a successor. */
MemoryAdmission admitOther(const MemoryBudget &budget, const Wish &wish, bool fitsOwn) {
    const Sum &own = budget.sumOf(wish.app);
    const std::uint64_t missingOwn = missingIn(budget, wish, wish.app, own.later());
    const std::uint64_t missing = missingIn(budget, wish, std::nullopt, budget.all().later());
    // Under pressure no end suffices.
    const bool pressed = budget.snapshot().pressed || budget.snapshot().apps[wish.app].pressed;
    std::vector<Action> actions;
    if (wish.fair && !(wish.further && pressed) && missingOwn == 0 && missing > 0) {
        actions = room(budget, wish, missing, false);
    }
    if (wish.succeeds() && actions.empty() && (missingOwn > 0 || missing > 0) &&
        makesRoom(budget, wish, own, missingOwn) && makesRoom(budget, wish, budget.all(), missing)) {
        return {Verdict::PREDECESSOR_FIRST};
    }
    return {Verdict::WAIT, fitsOwn ? For::ALL : For::OWN, std::move(actions)};
}

/** One instance of unknown size starts at a time. */
MemoryAdmission admitUnknown(const MemoryBudget &budget, std::size_t app) {
    const Sum &sum = budget.snapshot().budget > 0 ? budget.all() : budget.sumOf(app);
    return {sum.unknown > 0 ? Verdict::WAIT : Verdict::START, For::SIZE};
}

}  // namespace

MemoryAdmission MemoryAdmission::of(const MemoryBudget &budget, std::size_t app, Start start) {
    if (!budget.isLimited(app)) {
        return {Verdict::START};
    }
    const Wish wish = wishOf(budget, app, start);
    if (wish.size == 0) {
        return admitUnknown(budget, app);
    }
    const bool fitsOwn = missingIn(budget, wish, app, budget.usedBy(app)) == 0;
    if (fitsOwn && missingIn(budget, wish, std::nullopt, budget.used()) == 0) {
        return {Verdict::START};
    }
    if (!wish.first) {
        return admitOther(budget, wish, fitsOwn);
    }
    return fitsOwn ? admitFirst(budget, wish) : MemoryAdmission{Verdict::WAIT, For::OWN};
}

}  // namespace Passenger
