#include "policy/MemoryRelief.h"

#include <algorithm>

namespace Passenger {

namespace {

using Action = MemoryBudget::Action;
using Kind = Action::Kind;
using Scope = MemoryBudget::Scope;
using State = BudgetInstance::State;
using Sum = MemoryBudget::Sum;

/** The part of a budget in which instances that leak are replaced: it is to be reached by a
 *  measurement before the budget is exceeded. Smaller than what is kept free of further instances,
 *  so that a full server replaces nothing. */
constexpr std::uint64_t LEAK_RESERVE = 20;
/** Growth within this time is what caches and the first requests do, and would come again. */
constexpr std::chrono::seconds WARM_UP{60};

/** Less growth is not worth a start. */
bool leaks(const MemoryBudget &budget, const BudgetInstance &instance) {
    const std::uint64_t fresh = budget.freshOf(instance.app);
    return instance.mayEnd() && fresh > 0 && instance.growsOn && instance.grown >= fresh / 2;
}

std::optional<Action> endIn(const MemoryBudget &budget, Scope scope) {
    const Sum &sum = budget.sumOf(scope);
    if (!sum.isOver()) {
        return std::nullopt;
    }
    const auto is = [&](const BudgetInstance &one, State state) {
        return (!scope || one.app == *scope) && one.state == state;
    };
    const auto hasFurther = [&](const BudgetInstance &one) { return budget.sumOf(one.app).staying > 1; };
    const auto isOver = [&](const BudgetInstance &one) {
        return scope ? sum.isExceeded() : budget.excess(budget.sharers(), one.app) > 0;
    };
    const auto before = [&](const BudgetInstance &a, const BudgetInstance &b) {
        return budget.endsBefore(budget.sharers(), a, b);
    };
    auto found = budget.first([&](const auto &one) { return is(one, State::IDLE) && isOver(one); }, before);
    if (!found && sum.isExceeded()) {
        found = budget.first(
            [&](const auto &one) { return (!scope || one.app == *scope) && leaks(budget, one); },
            [&](const auto &a, const auto &b) { return isOver(a) != isOver(b) ? isOver(a) : a.grown > b.grown; });
    }
    if (!found) {
        found = budget.first([&](const auto &one) { return is(one, State::IDLE) && hasFurther(one); }, before);
    }
    if (!found && sum.isExceeded()) {
        found = budget.first([&](const auto &one) { return is(one, State::BUSY) && hasFurther(one) && isOver(one); },
                             before);
    }
    return found ? std::optional(budget.ending(*found)) : std::nullopt;
}

std::optional<Action> replaceIn(const MemoryBudget &budget, Scope scope) {
    const Sum &sum = budget.sumOf(scope);
    if (sum.limit == 0) {
        return std::nullopt;
    }
    const auto isShort = [&](const BudgetInstance &one) {
        const std::uint64_t room = budget.freshOf(one.app) + sum.limit / LEAK_RESERVE;
        const std::uint64_t share = scope ? sum.limit : std::min(budget.shareOf(one.app), sum.limit);
        return sum.later() + room > sum.limit + sum.grownDue && budget.sumOf(one.app).used + room > share;
    };
    const auto fits = [&](const Sum &each, const BudgetInstance &one) {
        return each.limit == 0 || each.later() + budget.freshOf(one.app) <= each.limit;
    };
    const auto leaker = budget.first(
        [&](const BudgetInstance &one) {
            return (!scope || one.app == *scope) && !one.due && leaks(budget, one) && budget.timeOf(one) >= WARM_UP &&
                   isShort(one) && fits(budget.all(), one) && fits(budget.sumOf(one.app), one);
        },
        [&](const auto &a, const auto &b) { return a.grown > b.grown; });
    return leaker ? std::optional(Action{*leaker, Kind::REPLACE}) : std::nullopt;
}

std::optional<Action> next(const MemoryBudget &budget) {
    for (const auto find : {&endIn, &replaceIn}) {
        if (const auto action = find(budget, std::nullopt)) {
            return action;
        }
        for (std::size_t app = 0; app < budget.snapshot().apps.size(); app++) {
            if (const auto action = find(budget, app)) {
                return action;
            }
        }
    }
    return std::nullopt;
}

}  // namespace

std::vector<MemoryBudget::Action> reliefOf(MemoryBudget budget) {
    std::vector<Action> actions;
    while (const std::optional<Action> action = next(budget)) {
        actions.push_back(*action);
        budget.apply(*action);
    }
    return actions;
}

}  // namespace Passenger
