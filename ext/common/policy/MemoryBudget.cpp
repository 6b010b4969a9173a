#include "policy/MemoryBudget.h"

#include <algorithm>
#include <utility>

namespace Passenger {

namespace {

using std::chrono::seconds;

using State = BudgetInstance::State;
using Kind = MemoryBudget::Action::Kind;

/** The part of a budget that is kept free of further instances. */
constexpr std::uint64_t RESERVE = 10;
/** The part in which instances that leak are replaced: it is to be reached by a measurement before
 *  the budget is exceeded. Smaller than the other one, so that a full server replaces nothing. */
constexpr std::uint64_t LEAK_RESERVE = 20;
/** Under pressure, this part of what is in use has to go. */
constexpr std::uint64_t PRESSURE = 10;
/** A busy instance serves for so long before it makes room for another application. */
constexpr seconds TENURE{5};
/** Growth within this time is what caches and the first requests do, and would come again. */
constexpr seconds WARM_UP{60};
/** A first instance waits for so long before it takes what others have within their share. */
constexpr seconds PATIENCE{30};
/** An instance that leaves without a request does so within this time. */
constexpr seconds LEAVING_TIME{2};
/** A start of unknown size delays others for so long. It may hang, or its size stay unknown. */
constexpr seconds SIZE_WAIT{10};

std::uint64_t less(std::uint64_t a, std::uint64_t b) {
    return a > b ? a - b : 0;
}

bool mayEnd(const BudgetInstance &instance) {
    return instance.state == State::IDLE || instance.state == State::BUSY;
}

}  // namespace

MemoryBudget::MemoryBudget(BudgetSnapshot snapshot) : snapshot_(std::move(snapshot)), apps_(snapshot_.apps.size()) {
    std::uint64_t known = 0;
    for (const BudgetApp &app : snapshot_.apps) {
        average_ += app.fresh;
        known += app.fresh > 0 ? 1 : 0;
        fresh_.push_back(app.fresh);
    }
    average_ = known > 0 ? average_ / known : 0;
    // Of an application whose instances were adopted, the smallest one stands for a new one.
    for (const BudgetInstance &instance : snapshot_.instances) {
        std::uint64_t &fresh = fresh_[instance.app];
        if (snapshot_.apps[instance.app].fresh == 0 && instance.bytes > 0) {
            fresh = fresh > 0 ? std::min(fresh, instance.bytes) : instance.bytes;
        }
    }
    for (const BudgetInstance &instance : snapshot_.instances) {
        add(instance);
    }
    for (std::size_t i = 0; i < apps_.size(); i++) {
        const BudgetApp &app = snapshot_.apps[i];
        sharers_ += shares(i) ? 1 : 0;
        for (Sum *sum : {&all_, &apps_[i]}) {
            sum->used += app.starting > 0 ? app.starting * freshOf(i) : 0;
            sum->unknown += app.starting > 0 && snapshot_.now - app.startedAt < SIZE_WAIT ? app.starting : 0;
        }
        apps_[i].budget = apps_[i].limit = app.budget;
    }
    all_.budget = all_.limit = snapshot_.budget;
    press();
}

void MemoryBudget::add(const BudgetInstance &instance) {
    const std::uint64_t size = sizeOf(instance);
    const bool leaves = instance.state == State::LEAVING;
    for (Sum *sum : {&all_, &apps_[instance.app]}) {
        sum->used += size;
        sum->leaving += leaves ? size : 0;
        sum->leavingSoon += leaves && timeOf(instance) < LEAVING_TIME ? size : 0;
        sum->leavingInTime += leaves && timeOf(instance) < PATIENCE ? size : 0;
        sum->grownDue += !leaves && instance.due ? instance.grown : 0;
        sum->endable += mayEnd(instance) ? size : 0;
        sum->staying += leaves ? 0 : 1;
        sum->unknown += !leaves && instance.bytes == 0 && timeOf(instance) < SIZE_WAIT ? 1 : 0;
    }
}

void MemoryBudget::press() {
    const auto press = [](Sum &sum) {
        const std::uint64_t pressed = sum.used - sum.used / PRESSURE;
        sum.limit = sum.limit > 0 ? std::min(sum.limit, pressed) : pressed;
    };
    if (snapshot_.pressed && snapshot_.budget > 0) {
        press(all_);
    }
    for (std::size_t i = 0; i < apps_.size(); i++) {
        if (snapshot_.apps[i].pressed && isLimited(i)) {
            press(apps_[i]);
        }
    }
}

/** The sums become those after the action. */
void MemoryBudget::apply(const Action &action) {
    BudgetInstance &instance = snapshot_.instances[action.instance];
    const std::uint64_t size = sizeOf(instance);
    const bool replaced = action.kind == Kind::REPLACE;
    for (Sum *sum : {&all_, &apps_[instance.app]}) {
        if (replaced) {
            sum->used += freshOf(instance.app);
            sum->grownDue += instance.grown;
        } else {
            sum->leaving += size;
            sum->leavingSoon += size;
            sum->leavingInTime += size;
            sum->endable -= size;
            sum->grownDue -= instance.due ? instance.grown : 0;
            sum->staying--;
        }
    }
    instance.due = replaced;
    instance.state = replaced ? instance.state : State::LEAVING;
    instance.since = replaced ? instance.since : snapshot_.now;
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
    return static_cast<std::int64_t>(apps_[app].later()) - static_cast<std::int64_t>(shareAmong(sharers, app));
}

/** Of an application that is not known yet, as of the others on average. */
std::uint64_t MemoryBudget::freshOf(std::size_t app) const {
    return fresh_[app] > 0 ? fresh_[app] : average_;
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

/** Less growth is not worth a start. */
bool MemoryBudget::leaks(const BudgetInstance &instance) const {
    const std::uint64_t fresh = freshOf(instance.app);
    return mayEnd(instance) && fresh > 0 && instance.growsOn && instance.grown >= fresh / 2;
}

bool MemoryBudget::isExceeded(std::optional<std::size_t> app) const {
    return sumOf(app).isExceeded();
}

bool MemoryBudget::isNear() const {
    const auto near = [](const Sum &sum) { return sum.limit > 0 && sum.used > sum.limit / 2; };
    return near(all_) || std::any_of(apps_.begin(), apps_.end(), near);
}

// ----- What has to go

MemoryBudget::Action MemoryBudget::ending(std::size_t instance) const {
    const bool idle = snapshot_.instances[instance].state == State::IDLE;
    return {instance, idle ? Kind::END : Kind::END_AFTER_REQUESTS};
}

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

std::vector<MemoryBudget::Action> MemoryBudget::relief() const {
    MemoryBudget rest(*this);
    std::vector<Action> actions;
    while (const std::optional<Action> action = rest.next()) {
        actions.push_back(*action);
        rest.apply(*action);
    }
    return actions;
}

std::optional<MemoryBudget::Action> MemoryBudget::next() const {
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
    const Sum &sum = sumOf(scope);
    if (!sum.isOver()) {
        return std::nullopt;
    }
    const auto is = [&](const BudgetInstance &one, State state) {
        return (!scope || one.app == *scope) && one.state == state;
    };
    const auto hasFurther = [&](const BudgetInstance &one) { return apps_[one.app].staying > 1; };
    const auto isOver = [&](const BudgetInstance &one) {
        return scope ? sum.isExceeded() : excess(sharers_, one.app) > 0;
    };
    const auto before = [&](const BudgetInstance &a, const BudgetInstance &b) { return comesBefore(sharers_, a, b); };
    auto found = first([&](const auto &one) { return is(one, State::IDLE) && isOver(one); }, before);
    if (!found && sum.isExceeded()) {
        found =
            first([&](const auto &one) { return (!scope || one.app == *scope) && leaks(one); },
                  [&](const auto &a, const auto &b) { return isOver(a) != isOver(b) ? isOver(a) : a.grown > b.grown; });
    }
    if (!found) {
        found = first([&](const auto &one) { return is(one, State::IDLE) && hasFurther(one); }, before);
    }
    if (!found && sum.isExceeded()) {
        found = first([&](const auto &one) { return is(one, State::BUSY) && hasFurther(one) && isOver(one); }, before);
    }
    return found ? std::optional(ending(*found)) : std::nullopt;
}

std::optional<MemoryBudget::Action> MemoryBudget::replaceIn(Scope scope) const {
    const Sum &sum = sumOf(scope);
    if (sum.limit == 0) {
        return std::nullopt;
    }
    const auto isShort = [&](const BudgetInstance &one) {
        const std::uint64_t room = freshOf(one.app) + sum.limit / LEAK_RESERVE;
        const std::uint64_t share = scope ? sum.limit : std::min(shareOf(one.app), sum.limit);
        return sum.later() + room > sum.limit + sum.grownDue && apps_[one.app].used + room > share;
    };
    const auto fits = [&](const Sum &each, const BudgetInstance &one) {
        return each.limit == 0 || each.later() + freshOf(one.app) <= each.limit;
    };
    const auto leaker = first(
        [&](const BudgetInstance &one) {
            return (!scope || one.app == *scope) && !one.due && leaks(one) && timeOf(one) >= WARM_UP && isShort(one) &&
                   fits(all_, one) && fits(apps_[one.app], one);
        },
        [&](const auto &a, const auto &b) { return a.grown > b.grown; });
    return leaker ? std::optional(Action{*leaker, Kind::REPLACE}) : std::nullopt;
}

// ----- What may start

MemoryBudget::Admission MemoryBudget::admit(std::size_t app, Start start) const {
    using Verdict = Admission::Verdict;
    using For = Admission::For;
    if (!isLimited(app)) {
        return {Verdict::START};
    }
    const Sum &own = apps_[app];
    const bool succeeds = start == Start::REPLACE || start == Start::DEPLOY;
    Wish wish{.app = app, .first = !succeeds && own.staying == 0 && snapshot_.apps[app].starting == 0};
    const bool further = start == Start::GROW && !wish.first;
    wish.size = further ? sizeOfFurther(app) : freshOf(app);
    if (wish.size == 0) {
        const unsigned unknown = snapshot_.budget > 0 ? all_.unknown : own.unknown;
        return {unknown > 0 ? Verdict::WAIT : Verdict::START, For::SIZE};
    }
    wish.sharers = sharersWith(app);
    wish.fair = own.later() + wish.size <= shareOf(app);
    wish.patient = snapshot_.apps[app].waited >= PATIENCE;
    wish.claimed = claimedBefore(app);
    const auto missing = [&](const Sum &sum, std::uint64_t used) {
        const std::uint64_t limit = further ? sum.limit : sum.budget;
        const std::uint64_t reserve = (further ? limit / RESERVE : 0) + (&sum == &all_ ? wish.claimed : 0);
        return limit == 0 || (wish.first && used == 0) ? 0 : less(used + wish.size + reserve, limit);
    };
    const bool fitsOwn = missing(own, own.used) == 0;
    if (fitsOwn && missing(all_, all_.used) == 0) {
        return {Verdict::START};
    }
    const std::uint64_t missingOwn = missing(own, own.later());
    const std::uint64_t missingLater = missing(all_, all_.later());
    std::vector<Action> actions;
    if (wish.first && fitsOwn) {
        return admitFirst(wish);
    }
    // Under pressure no end suffices.
    const bool mayHelp = !further || !(snapshot_.pressed || snapshot_.apps[app].pressed);
    if (!wish.first && wish.fair && mayHelp && missingOwn == 0 && missingLater > 0) {
        actions = room(wish, missingLater, false);
    }
    if (succeeds && actions.empty() && (missingOwn > 0 || missingLater > 0) && makesRoom(own, missingOwn, app, start) &&
        makesRoom(all_, missingLater, app, start)) {
        return {Verdict::PREDECESSOR_FIRST};
    }
    return {Verdict::WAIT, fitsOwn ? For::ALL : For::OWN, std::move(actions)};
}

/** What is about to be free for the first instance of the application that has waited longest, if
 *  that is another one, and has waited longer. */
std::uint64_t MemoryBudget::claimedBefore(std::size_t app) const {
    std::size_t longest = app;
    for (std::size_t i = 0; i < apps_.size(); i++) {
        const bool waits = apps_[i].staying == 0 && snapshot_.apps[i].starting == 0;
        longest = waits && snapshot_.apps[i].waited > snapshot_.apps[longest].waited ? i : longest;
    }
    const bool comes = all_.used - all_.leavingInTime + freshOf(longest) <= all_.budget;
    return longest != app && comes ? freshOf(longest) : 0;
}

/** Whether the ends of the predecessors free so much. */
bool MemoryBudget::makesRoom(const Sum &sum, std::uint64_t missing, std::size_t app, Start start) const {
    std::uint64_t freed = apps_[app].endable;
    if (start == Start::REPLACE) {
        const auto due = first([&](const auto &one) { return one.app == app && one.due && mayEnd(one); },
                               [&](const auto &a, const auto &b) { return sizeOf(a) < sizeOf(b); });
        freed = due ? sizeOf(snapshot_.instances[*due]) : 0;
    }
    return freed >= missing || (freed > 0 && sum.later() == freed);
}

MemoryBudget::Admission MemoryBudget::admitFirst(const Wish &wish) const {
    using Verdict = Admission::Verdict;
    const bool others = all_.later() > apps_[wish.app].later();
    if (others && snapshot_.apps[wish.app].fresh > all_.budget) {
        return {Verdict::NEVER};
    }
    // An instance that would be alone starts.
    const auto missing = [&](std::uint64_t leaving) {
        return all_.used == leaving ? 0 : less(all_.used - leaving + wish.size + wish.claimed, all_.budget);
    };
    Admission admission{Verdict::WAIT};
    if (const std::uint64_t need = missing(all_.leavingSoon); need > 0) {
        admission.actions = room(wish, need, false);
    }
    // Idle ones would end too early while busy ones do.
    if (const std::uint64_t need = missing(all_.leavingInTime); need > 0 && admission.actions.empty()) {
        admission.actions = room(wish, need, true);
        std::erase_if(admission.actions, [](const Action &action) { return action.kind == Kind::END; });
    }
    return admission;
}

/** The instances whose ends free so much; nothing: there are not enough. */
std::vector<MemoryBudget::Action> MemoryBudget::room(const Wish &wish, std::uint64_t need, bool mayTakeBusy) const {
    MemoryBudget rest(*this);
    std::vector<Action> actions;
    std::uint64_t freed = 0;
    while (freed < need) {
        std::optional<std::size_t> one = rest.idleFor(wish);
        if (!one && mayTakeBusy) {
            one = rest.busyFor(wish);
        }
        if (!one) {
            return {};
        }
        actions.push_back(ending(*one));
        rest.apply(actions.back());
        freed += sizeOf(snapshot_.instances[*one]);
    }
    // A large one may have made others needless.
    for (std::size_t i = actions.size() - 1; i-- > 0;) {
        const std::uint64_t size = sizeOf(snapshot_.instances[actions[i].instance]);
        if (freed - size >= need) {
            freed -= size;
            actions.erase(actions.begin() + static_cast<std::ptrdiff_t>(i));
        }
    }
    return actions;
}

std::optional<std::size_t> MemoryBudget::idleFor(const Wish &wish) const {
    const auto isIdle = [&](const BudgetInstance &one) { return one.app != wish.app && one.state == State::IDLE; };
    const auto before = [&](const auto &a, const auto &b) { return comesBefore(wish.sharers, a, b); };
    auto found = first(
        [&](const BudgetInstance &one) {
            return isIdle(one) && excess(wish.sharers, one.app) > 0 && (wish.first || apps_[one.app].staying > 1);
        },
        before);
    if (!found && wish.first && (wish.fair || wish.patient)) {
        found = first(isIdle, before);
    }
    return found;
}

std::optional<std::size_t> MemoryBudget::busyFor(const Wish &wish) const {
    const auto hasServed = [&](const BudgetInstance &one, seconds time) {
        return one.app != wish.app && one.state == State::BUSY && timeOf(one) >= time;
    };
    const auto before = [&](const auto &a, const auto &b) { return comesBefore(wish.sharers, a, b); };
    std::optional<std::size_t> found;
    if (wish.fair || wish.patient) {
        found =
            first([&](const auto &one) { return hasServed(one, TENURE) && excess(wish.sharers, one.app) > 0; }, before);
    }
    if (!found && wish.patient) {
        found = first([&](const auto &one) { return hasServed(one, TENURE) && apps_[one.app].staying > 1; }, before);
    }
    if (!found && wish.patient) {
        found = first([&](const auto &one) { return hasServed(one, PATIENCE); },
                      [](const auto &a, const auto &b) { return a.since < b.since; });
    }
    return found;
}

}  // namespace Passenger
