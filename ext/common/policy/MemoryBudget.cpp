#include "policy/MemoryBudget.h"

#include <algorithm>
#include <utility>

namespace Passenger {

namespace {

using State = BudgetInstance::State;
using Kind = MemoryBudget::Action::Kind;

/** The part of a budget that is kept free of further instances, and in which the instance that has
 *  grown most is replaced: it is to be reached by a measurement before the budget is exceeded. */
constexpr std::uint64_t RESERVE = 10;
/** Under pressure, this part of what is in use has to go. */
constexpr std::uint64_t PRESSURE = 10;
/** A busy instance serves for so long before it makes room for another application. */
constexpr std::chrono::seconds TENURE{5};

std::uint64_t less(std::uint64_t a, std::uint64_t b) {
    return a > b ? a - b : 0;
}

}  // namespace

MemoryBudget::MemoryBudget(BudgetSnapshot snapshot) : snapshot_(std::move(snapshot)), apps_(snapshot_.apps.size()) {
    for (const BudgetInstance &instance : snapshot_.instances) {
        for (Sum *sum : {&all_, &apps_[instance.app]}) {
            const std::uint64_t size = sizeOf(instance);
            const bool leaves = instance.state == State::LEAVING;
            sum->used += size;
            sum->leaving += leaves ? size : 0;
            sum->grownDue += !leaves && instance.due ? grown(instance) : 0;
            sum->staying += leaves ? 0 : 1;
        }
    }
    all_.limit = snapshot_.budget;
    for (std::size_t i = 0; i < apps_.size(); i++) {
        const BudgetApp &app = snapshot_.apps[i];
        apps_[i].limit = app.budget;
        sharers_ += shares(i) ? 1 : 0;
        const std::uint64_t starting = app.starting * freshOf(i);
        apps_[i].used += starting;
        all_.used += starting;
    }
    const auto press = [](Sum &sum) {
        const std::uint64_t pressed = sum.used - sum.used / PRESSURE;
        sum.limit = sum.limit > 0 ? std::min(sum.limit, pressed) : pressed;
    };
    if (snapshot_.pressed) {
        press(all_);
    }
    for (std::size_t i = 0; i < apps_.size(); i++) {
        if (snapshot_.apps[i].pressed) {
            press(apps_[i]);
        }
    }
}

// ----- What there is

std::uint64_t MemoryBudget::shareAmong(std::size_t sharers, std::size_t app) const {
    const std::uint64_t own = snapshot_.apps[app].budget;
    return own > 0 ? own : snapshot_.budget / std::max<std::size_t>(sharers, 1);
}

std::uint64_t MemoryBudget::shareOf(std::size_t app) const {
    return shareAmong(sharersWith(app), app);
}

/** By how much the application is over its share. Memory of instances that leave does not count. */
std::int64_t MemoryBudget::excess(std::size_t sharers, std::size_t app) const {
    return static_cast<std::int64_t>(apps_[app].used - apps_[app].leaving) -
           static_cast<std::int64_t>(shareAmong(sharers, app));
}

/** Of an application that is not known yet, as of the others on average. */
std::uint64_t MemoryBudget::freshOf(std::size_t app) const {
    if (snapshot_.apps[app].fresh > 0) {
        return snapshot_.apps[app].fresh;
    }
    std::uint64_t sum = 0;
    std::uint64_t count = 0;
    for (const BudgetApp &other : snapshot_.apps) {
        sum += other.fresh;
        count += other.fresh > 0 ? 1 : 0;
    }
    return count > 0 ? sum / count : 0;
}

std::uint64_t MemoryBudget::sizeOf(const BudgetInstance &instance) const {
    return instance.bytes > 0 ? instance.bytes : freshOf(instance.app);
}

/** A further instance becomes as large as the others are on average. */
std::uint64_t MemoryBudget::sizeOfFurther(std::size_t app) const {
    std::uint64_t sum = 0;
    std::uint64_t count = 0;
    for (const BudgetInstance &instance : snapshot_.instances) {
        const bool counts = instance.app == app && instance.state != State::LEAVING;
        sum += counts ? sizeOf(instance) : 0;
        count += counts ? 1 : 0;
    }
    return count > 0 ? std::max(sum / count, freshOf(app)) : freshOf(app);
}

/** What a replacement would free. */
std::uint64_t MemoryBudget::grown(const BudgetInstance &instance) const {
    return less(instance.bytes, snapshot_.apps[instance.app].fresh);
}

/** Less growth is what caches and the first requests do, and would come again. */
bool MemoryBudget::leaks(const BudgetInstance &instance) const {
    const std::uint64_t fresh = snapshot_.apps[instance.app].fresh;
    return (instance.state == State::IDLE || instance.state == State::BUSY) && fresh > 0 &&
           grown(instance) >= fresh / 2;
}

bool MemoryBudget::isExceeded() const {
    const auto exceeds = [](const Sum &sum, std::uint64_t budget) {
        return budget > 0 && sum.used - sum.leaving > budget;
    };
    for (std::size_t i = 0; i < apps_.size(); i++) {
        if (exceeds(apps_[i], snapshot_.apps[i].budget)) {
            return true;
        }
    }
    return exceeds(all_, snapshot_.budget);
}

bool MemoryBudget::isNear() const {
    const auto near = [](const Sum &sum) { return sum.limit > 0 && sum.used > sum.limit / 2; };
    return near(all_) || std::any_of(apps_.begin(), apps_.end(), near);
}

// ----- What has to go

/** The first of the fitting instances in the order of `before`. */
template <typename Fits, typename Before>
std::optional<std::size_t> MemoryBudget::first(Fits fits, Before before) const {
    std::optional<std::size_t> best;
    for (std::size_t i = 0; i < snapshot_.instances.size(); i++) {
        const BudgetInstance &instance = snapshot_.instances[i];
        if (fits(instance) && (!best || before(instance, snapshot_.instances[*best]))) {
            best = i;
        }
    }
    return best;
}

bool MemoryBudget::comesBefore(std::size_t sharers, const BudgetInstance &a, const BudgetInstance &b) const {
    const std::int64_t one = excess(sharers, a.app);
    const std::int64_t other = excess(sharers, b.app);
    return one != other ? one > other : sizeOf(a) > sizeOf(b);
}

std::optional<MemoryBudget::Action> MemoryBudget::relief() const {
    for (const auto find : {&MemoryBudget::endIn, &MemoryBudget::replaceIn}) {
        if (const auto action = (this->*find)(std::nullopt)) {
            return action;
        }
        for (std::size_t app = 0; app < apps_.size(); app++) {
            if (const auto action = (this->*find)(app)) {
                return action;
            }
        }
    }
    return std::nullopt;
}

std::optional<MemoryBudget::Action> MemoryBudget::endIn(Scope scope) const {
    if (!sumOf(scope).isOver()) {
        return std::nullopt;
    }
    const auto isIn = [&](const BudgetInstance &one) { return !scope || one.app == *scope; };
    const auto hasFurther = [&](const BudgetInstance &one) { return apps_[one.app].staying > 1; };
    const auto before = [&](const BudgetInstance &a, const BudgetInstance &b) { return comesBefore(sharers_, a, b); };
    if (const auto idle = first(
            [&](const BudgetInstance &one) {
                return isIn(one) && one.state == State::IDLE && (scope || excess(sharers_, one.app) > 0);
            },
            before)) {
        return Action{*idle, Kind::END};
    }
    if (const auto leaker = first([&](const BudgetInstance &one) { return isIn(one) && leaks(one); },
                                  [&](const auto &a, const auto &b) { return grown(a) > grown(b); })) {
        const bool idle = snapshot_.instances[*leaker].state == State::IDLE;
        return Action{*leaker, idle ? Kind::END : Kind::END_AFTER_REQUESTS};
    }
    if (const auto idle =
            first([&](const BudgetInstance &one) { return isIn(one) && one.state == State::IDLE && hasFurther(one); },
                  before)) {
        return Action{*idle, Kind::END};
    }
    if (const auto busy = first(
            [&](const BudgetInstance &one) {
                return isIn(one) && one.state == State::BUSY && hasFurther(one) &&
                       (scope || excess(sharers_, one.app) > 0);
            },
            before)) {
        return Action{*busy, Kind::END_AFTER_REQUESTS};
    }
    return std::nullopt;
}

std::optional<MemoryBudget::Action> MemoryBudget::replaceIn(Scope scope) const {
    const Sum &sum = sumOf(scope);
    if (sum.limit == 0) {
        return std::nullopt;
    }
    const std::uint64_t staying = sum.used - sum.leaving;
    const auto isShort = [&](const BudgetInstance &one) {
        const std::uint64_t room = snapshot_.apps[one.app].fresh + sum.limit / RESERVE;
        const std::uint64_t share = scope ? sum.limit : std::min(shareOf(one.app), sum.limit);
        return staying + room > sum.limit + sum.grownDue && apps_[one.app].used + room > share;
    };
    const auto leaker = first(
        [&](const BudgetInstance &one) {
            return (!scope || one.app == *scope) && !one.due && leaks(one) && isShort(one) &&
                   staying + snapshot_.apps[one.app].fresh <= sum.limit;
        },
        [&](const auto &a, const auto &b) { return grown(a) > grown(b); });
    return leaker ? std::optional(Action{*leaker, Kind::REPLACE}) : std::nullopt;
}

// ----- What may start

MemoryBudget::Admission MemoryBudget::admit(std::size_t app, Start start, MonotonicTime now) const {
    using Verdict = Admission::Verdict;
    const Sum &own = apps_[app];
    const BudgetApp &options = snapshot_.apps[app];
    const bool successor = start == Start::SUCCESSOR;
    const bool isFirst = !successor && own.staying == 0 && options.starting == 0;
    const std::uint64_t size = successor ? freshOf(app) : sizeOfFurther(app);
    // Pressure may come from other programs, and lasts. So an application's first instance starts.
    const std::uint64_t ownLimit = isFirst ? options.budget : own.limit;
    const std::uint64_t limit = isFirst ? snapshot_.budget : all_.limit;
    const auto fits = [&](std::uint64_t used, std::uint64_t most) {
        const std::uint64_t reserve = successor || isFirst ? 0 : most / RESERVE;
        return most == 0 || (used == 0 && isFirst) || used + size + reserve <= most;
    };
    const bool fitsOwn = fits(own.used, ownLimit);
    if (fitsOwn && fits(all_.used, limit)) {
        return {Verdict::START};
    }
    if (!fits(own.used - own.leaving, ownLimit)) {
        return {successor ? Verdict::PREDECESSOR_FIRST : Verdict::WAIT};
    }
    if (!fitsOwn || fits(all_.used - all_.leaving, limit)) {
        // Instances that leave make room soon.
        return {Verdict::WAIT};
    }
    if (const auto action = roomFor(app, isFirst, size, now)) {
        return {Verdict::WAIT, action};
    }
    return {successor ? Verdict::PREDECESSOR_FIRST : Verdict::WAIT};
}

std::optional<MemoryBudget::Action> MemoryBudget::roomFor(std::size_t app, bool isFirst, std::uint64_t size,
                                                          MonotonicTime now) const {
    const std::size_t sharers = sharersWith(app);
    const auto before = [&](const BudgetInstance &a, const BudgetInstance &b) { return comesBefore(sharers, a, b); };
    const auto isOver = [&](const BudgetInstance &one) { return one.app != app && excess(sharers, one.app) > 0; };
    if (isFirst || apps_[app].used + size <= shareOf(app)) {
        if (const auto idle = first(
                [&](const BudgetInstance &one) {
                    return isOver(one) && one.state == State::IDLE && (isFirst || apps_[one.app].staying > 1);
                },
                before)) {
            return Action{*idle, Kind::END};
        }
    }
    if (!isFirst) {
        return std::nullopt;
    }
    if (const auto idle =
            first([&](const BudgetInstance &one) { return one.app != app && one.state == State::IDLE; }, before)) {
        return Action{*idle, Kind::END};
    }
    if (const auto busy = first(
            [&](const BudgetInstance &one) {
                return isOver(one) && one.state == State::BUSY && now - one.since >= TENURE;
            },
            before)) {
        return Action{*busy, Kind::END_AFTER_REQUESTS};
    }
    return std::nullopt;
}

}  // namespace Passenger
