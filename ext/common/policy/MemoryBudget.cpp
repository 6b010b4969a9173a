#include "policy/MemoryBudget.h"

#include <algorithm>
#include <utility>

namespace Passenger {

namespace {

using std::chrono::seconds;

using State = BudgetInstance::State;
using Kind = MemoryBudget::Action::Kind;

/** Under pressure, this part of what is in use has to go. */
constexpr std::uint64_t PRESSURE = 10;
/** An instance that leaves without a request does so within this time. */
constexpr seconds LEAVING_TIME{2};
/** A start of unknown size delays others for so long. It may hang, or its size stay unknown. */
constexpr seconds SIZE_WAIT{10};

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
        sum->endable += instance.mayEnd() ? size : 0;
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

std::uint64_t MemoryBudget::shareAmong(std::size_t sharers, std::size_t app) const {
    const std::uint64_t own = snapshot_.apps[app].budget;
    return own > 0 ? own : snapshot_.budget / std::max<std::size_t>(sharers, 1);
}

std::int64_t MemoryBudget::excess(std::size_t sharers, std::size_t app) const {
    return static_cast<std::int64_t>(apps_[app].later()) - static_cast<std::int64_t>(shareAmong(sharers, app));
}

bool MemoryBudget::isNear() const {
    const auto near = [](const Sum &sum) { return sum.limit > 0 && sum.used > sum.limit / 2; };
    return near(all_) || std::any_of(apps_.begin(), apps_.end(), near);
}

bool MemoryBudget::endsBefore(std::size_t sharers, const BudgetInstance &a, const BudgetInstance &b) const {
    const std::int64_t one = excess(sharers, a.app);
    const std::int64_t other = excess(sharers, b.app);
    return one != other ? one > other : sizeOf(a) > sizeOf(b);
}

MemoryBudget::Action MemoryBudget::ending(std::size_t instance) const {
    const bool idle = snapshot_.instances[instance].state == State::IDLE;
    return {instance, idle ? Kind::END : Kind::END_AFTER_REQUESTS};
}

}  // namespace Passenger
