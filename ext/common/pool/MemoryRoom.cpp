#include "pool/MemoryRoom.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "log/Log.h"
#include "pool/Scaler.h"

namespace Passenger {

namespace {

constexpr std::uint64_t MEGABYTE = 1024 * 1024;
/**
 * Percent of ten seconds in which nothing could run for want of memory. A host that reads its files
 * from a slow disk has some percent; where the kernel is about to kill, most of the time is lost.
 */
constexpr double PRESSURE = 10;
/** An instance without a request for so long is idle. One under load has none for moments. */
constexpr std::chrono::seconds IDLE_AFTER{1};
/** The least time between two lines about an application that waits. */
constexpr std::chrono::minutes LOG_INTERVAL{1};

using Start = MemoryBudget::Start;
using State = BudgetInstance::State;

State stateOf(const Scaler &application, const Process &process, MonotonicTime now) REQUIRES(poolLock) {
    switch (process.state) {
        case Process::State::SERVING:
            return application.instances().isUnused(process, now, IDLE_AFTER) ? State::IDLE : State::BUSY;
        case Process::State::DISABLED:
            return State::HELD;
        default:
            return State::LEAVING;
    }
}

}  // namespace

bool MemoryRoom::isLimited() const {
    return settings_.memoryBudget > 0 ||
           std::any_of(applications_.begin(), applications_.end(),
                       [](const Scaler *each) REQUIRES(poolLock) { return each->options().memoryBudget > 0; });
}

/** A virtual host inherits the server's budget. That is no budget of its own. */
std::uint64_t MemoryRoom::ownBudget(const Options &options) const {
    const bool own = settings_.memoryBudget == 0 || options.memoryBudget < settings_.memoryBudget;
    return own ? options.memoryBudget * MEGABYTE : 0;
}

std::size_t MemoryRoom::indexOf(const Scaler &application) const {
    return static_cast<std::size_t>(std::find(applications_.begin(), applications_.end(), &application) -
                                    applications_.begin());
}

std::uint64_t MemoryRoom::budget() const {
    return settings_.memoryBudget * MEGABYTE;
}

std::uint64_t MemoryRoom::shareOf(const Scaler &application) const {
    const auto found = known_.find(&application);
    return found != known_.end() ? found->second.share : 0;
}

MemoryRoom::View MemoryRoom::look(MonotonicTime now) const {
    View view;
    view.snapshot.budget = budget();
    view.snapshot.pressed = pressed_;
    for (const Scaler *application : applications_) {
        const auto found = known_.find(application);
        const Known known = found != known_.end() ? found->second : Known();
        for (const ProcessPtr &process : application->instances().all()) {
            view.snapshot.instances.push_back({.app = view.snapshot.apps.size(),
                                               .state = stateOf(*application, *process, now),
                                               .bytes = process->memory,
                                               .due = !process->replacementReason.empty(),
                                               .since = process->since()});
            view.processes.push_back(process);
        }
        view.snapshot.apps.push_back({.budget = ownBudget(application->options()),
                                      .fresh = known.fresh,
                                      .starting = application->coming(),
                                      .pressed = known.pressed});
    }
    return view;
}

std::string MemoryRoom::explain(const MemoryBudget &budget, const View &view, std::size_t app) const {
    const BudgetApp &one = view.snapshot.apps[app];
    std::string text = fmt::format("its application uses {} MB of its share of {} MB", budget.usedBy(app) / MEGABYTE,
                                   budget.shareOf(app) / MEGABYTE);
    if (settings_.memoryBudget > 0) {
        text += fmt::format(", all use {} MB of {} MB", budget.used() / MEGABYTE, settings_.memoryBudget);
    }
    const char *pressure = view.snapshot.pressed || one.pressed ? ", and the kernel is short of memory" : "";
    return text + pressure + " (PassengerMemoryBudget)";
}

void MemoryRoom::act(const MemoryBudget &budget, const View &view, const MemoryBudget::Action &action, const char *why,
                     bool restored) {
    const ProcessPtr &process = view.processes[action.instance];
    const std::size_t app = view.snapshot.instances[action.instance].app;
    Scaler &application = *applications_[app];
    const std::string reason = why + explain(budget, view, app);
    if (action.kind == MemoryBudget::Action::Kind::REPLACE) {
        application.replace(*process, fmt::format("it has grown to {} MB; {}", process->memory / MEGABYTE, reason));
    } else {
        application.giveUp(process, reason, restored);
    }
}

// ----- Starts

MemoryRoom::Verdict MemoryRoom::admit(Scaler &application, Start start, MonotonicTime now) {
    if (!isLimited()) {
        return Verdict::START;
    }
    const View view = look(now);
    const std::size_t app = indexOf(application);
    const MemoryBudget budget(view.snapshot);
    Known &known = known_[&application];
    known.waitsForFirst = start == Start::GROW && application.size() == application.instances().draining();
    // An application within its share need not wait for one that may want more than its own.
    const bool afterOthers =
        start == Start::GROW && !known.waitsForFirst && budget.usedBy(app) >= budget.shareOf(app) &&
        std::any_of(known_.begin(), known_.end(), [](const auto &other) { return other.second.waitsForFirst; });
    const auto [verdict, action] = budget.admit(app, start, now);
    if (verdict == Verdict::START && !afterOthers) {
        satisfied(application);
        return Verdict::START;
    }
    known.waits = true;
    if (!known.logged || now - *known.logged >= LOG_INTERVAL) {
        known.logged = now;
        Log::notice("event=spawn.waits_for_memory app=\"{}\" reason=\"{}\"", application.name(),
                    explain(budget, view, app));
    }
    if (afterOthers) {
        return Verdict::WAIT;
    }
    if (action) {
        act(budget, view, *action, "another application needs its memory: ", false);
    }
    return verdict;
}

bool MemoryRoom::isFreeFor(const Scaler &application, MonotonicTime now) const {
    return !isLimited() ||
           (MemoryBudget(look(now).snapshot).admit(indexOf(application), Start::GROW, now).verdict == Verdict::START);
}

bool MemoryRoom::keepsWaiting(const Scaler &application) const {
    const auto found = known_.find(&application);
    return found != known_.end() && found->second.waits;
}

void MemoryRoom::satisfied(const Scaler &application) {
    if (const auto found = known_.find(&application); found != known_.end()) {
        found->second.waits = found->second.waitsForFirst = false;
    }
}

// ----- Measurements

/** The sizes of new instances differ, as does what they share. The last ones count most. */
void MemoryRoom::noteMemory(const Scaler &application, Process &process, std::uint64_t bytes) {
    if (std::uint64_t &fresh = known_[&application].fresh; process.memory == 0 || fresh == 0) {
        fresh = fresh == 0 ? bytes : (fresh + bytes) / 2;
    }
    process.memory = bytes;
}

void MemoryRoom::notePressure(double host, const std::map<std::uint32_t, double> &applications) {
    const bool pressed = host >= PRESSURE;
    if (pressed != pressed_) {
        Log::notice("event=memory.pressure state={} full_avg10={:.2f} directive=PassengerMemoryBudget",
                    pressed ? "begun" : "over", host);
    }
    pressed_ = pressed;
    for (const Scaler *application : applications_) {
        const auto found = applications.find(application->slot());
        const bool appPressed = found != applications.end() && found->second >= PRESSURE;
        Known &known = known_[application];
        if (appPressed != known.pressed) {
            Log::notice("event=memory.pressure app=\"{}\" state={} full_avg10={:.2f} directive=PassengerMemoryBudget",
                        application->name(), appPressed ? "begun" : "over",
                        found != applications.end() ? found->second : 0);
        }
        known.pressed = appPressed;
    }
}

void MemoryRoom::relieve(MonotonicTime now) {
    if (!isLimited()) {
        near_ = exceeded_ = false;
        known_.clear();
        used_ = 0;
        pressed_ = false;
        return;
    }
    for (;;) {
        const View view = look(now);
        const MemoryBudget budget(view.snapshot);
        const std::optional<MemoryBudget::Action> action = budget.relief();
        if (action) {
            const std::size_t app = view.snapshot.instances[action->instance].app;
            const bool last = applications_[app]->instances().serving() == 1;
            const bool isIdle = action->kind == MemoryBudget::Action::Kind::END;
            act(budget, view, *action, isIdle ? "it is idle: " : "", last && !isIdle);
            continue;
        }
        used_ = budget.used();
        near_ = budget.isNear();
        for (std::size_t app = 0; app < applications_.size(); app++) {
            known_[applications_[app]].share = budget.shareOf(app);
        }
        if (budget.isExceeded() != exceeded_) {
            exceeded_ = !exceeded_;
            if (exceeded_) {
                Log::warn("event=memory.budget_exceeded mb={} directive=PassengerMemoryBudget value={}",
                          used_ / MEGABYTE, settings_.memoryBudget);
            } else {
                Log::notice("event=memory.budget_kept mb={} directive=PassengerMemoryBudget value={}", used_ / MEGABYTE,
                            settings_.memoryBudget);
            }
        }
        return;
    }
}

}  // namespace Passenger
