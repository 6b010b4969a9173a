#include "pool/MemoryRoom.h"

#include <algorithm>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "base/Report.h"
#include "log/Log.h"
#include "policy/MemoryRelief.h"
#include "pool/Scaler.h"

namespace Passenger {

namespace {

/**
 * Percent of ten seconds in which nothing could run for want of memory. A host that reads its files
 * from a slow disk has some percent. Where the kernel is about to kill, most of the time is lost.
 */
constexpr double PRESSURE = 10;
/** An instance without a request for so long is idle. One under load has none for moments. */
constexpr std::chrono::seconds IDLE_AFTER{1};
/** An instance is new for so long. */
constexpr std::chrono::seconds FRESH{60};
/** The next client of an application without an instance goes on with the wait of the last one. */
constexpr std::chrono::minutes WAIT_KEPT{1};
/** The least time between two lines about an application that waits. */
constexpr std::chrono::minutes LOG_INTERVAL{1};

using Start = MemoryAdmission::Start;
using State = BudgetInstance::State;

State stateOf(const Scaler &application, const Process &process, MonotonicTime now) REQUIRES(poolLock) {
    switch (process.state()) {
        case Process::State::SERVING:
            // What no start could replace is no memory that is free to take.
            return application.instances().isUnused(process, now, IDLE_AFTER) && !application.isIrreplaceable()
                       ? State::IDLE
                       : State::BUSY;
        case Process::State::STANDBY: return State::HELD;
        default: return State::LEAVING;
    }
}

}  // namespace

bool MemoryRoom::isLimited() const {
    return settings_.memoryBudget > 0 ||
           std::any_of(applications_.begin(), applications_.end(),
                       [this](const Scaler *each) REQUIRES(poolLock) { return ownBudget(*each) > 0; });
}

/** A virtual host inherits the server's budget. An inherited budget is no budget of its own. */
std::uint64_t MemoryRoom::ownBudget(const Scaler &application) const {
    const unsigned megabytes = application.options().memoryBudget;
    if (megabytes == 0) {
        return 0;
    }
    const bool own = settings_.memoryBudget == 0 || megabytes < settings_.memoryBudget;
    return own && knownOf(application).inherited != megabytes ? megabytes * MEGABYTE : 0;
}

MemoryRoom::Known MemoryRoom::knownOf(const Scaler &application) const {
    const auto found = known_.find(&application);
    return found != known_.end() ? found->second : Known();
}

std::size_t MemoryRoom::indexOf(const Scaler &application) const {
    return static_cast<std::size_t>(std::find(applications_.begin(), applications_.end(), &application) -
                                    applications_.begin());
}

std::uint64_t MemoryRoom::budget() const {
    return settings_.memoryBudget * MEGABYTE;
}

std::uint64_t MemoryRoom::shareOf(const Scaler &application) const {
    return isLimited(application) ? knownOf(application).share : 0;
}

MemoryRoom::View MemoryRoom::look(MonotonicTime now) const {
    View view;
    view.snapshot.now = now;
    view.snapshot.budget = budget();
    view.snapshot.pressed = pressed_;
    for (const Scaler *application : applications_) {
        const Known known = knownOf(*application);
        for (const ProcessPtr &process : application->instances().all()) {
            view.snapshot.instances.push_back(
                {.app = view.snapshot.apps.size(),
                 .state = stateOf(*application, *process, now),
                 .bytes = process->memory(),
                 .grown = process->growth().grown(),
                 .growsOn = process->growth().goesOn(),
                 .due = process->lifecycle().isDue(),
                 .since = process->stays() ? process->since() : process->lifecycle().drainsSince()});
            view.processes.push_back(process);
        }
        view.snapshot.apps.push_back(
            {.budget = ownBudget(*application),
             .fresh = known.fresh,
             .starting = application->spawns().starting(),
             .startedAt = known.startedAt,
             .pressed = known.pressed,
             .waited = known.waits && known.waitsSince ? now - *known.waitsSince : std::chrono::nanoseconds(0)});
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
    if (!process->stays()) {
        // An action before this one has led to its end.
        return;
    }
    const std::size_t app = view.snapshot.instances[action.instance].app;
    Scaler &application = *applications_[app];
    const std::string reason = why + explain(budget, view, app);
    if (action.kind == MemoryBudget::Action::Kind::REPLACE) {
        application.replace(*process, fmt::format("it has grown to {} MB; {}", process->memory() / MEGABYTE, reason));
    } else {
        application.giveUp(process, reason, restored);
    }
}

// ----- Starts

MemoryRoom::Verdict MemoryRoom::admit(Scaler &application, Start start, MonotonicTime now) {
    if (!isLimited(application)) {
        return Verdict::START;
    }
    const View view = look(now);
    const std::size_t app = indexOf(application);
    const MemoryBudget budget(view.snapshot);
    Known &known = known_[&application];
    const bool grows = start == Start::GROW || start == Start::RESTORE;
    const bool isFirst = grows && application.size() == application.instances().draining();
    // An application within its share need not wait for one that may want more than its own.
    const bool afterOthers =
        grows && !isFirst && settings_.memoryBudget > 0 && budget.usedBy(app) >= budget.shareOf(app) &&
        std::any_of(known_.begin(), known_.end(),
                    [](const auto &other) { return other.second.waits && other.second.waitsSince; });
    const auto [verdict, waitsFor, actions] = MemoryAdmission::of(budget, app, start);
    if (verdict == Verdict::START && !afterOthers) {
        satisfied(application);
        known.waitsSince.reset();
        known.heldBackByOwn = false;
        known.startedAt = now;
        return Verdict::START;
    }
    if (verdict == Verdict::NEVER) {
        return Verdict::NEVER;
    }
    known.waits = true;
    known.heldBackByOwn = waitsFor == MemoryAdmission::For::OWN;
    const bool forFirst = isFirst && waitsFor == MemoryAdmission::For::ALL;
    const bool goesOn = known.waitsSince && now - known.askedAt <= WAIT_KEPT;
    known.waitsSince = forFirst ? std::optional(goesOn ? *known.waitsSince : now) : std::nullopt;
    known.askedAt = now;
    const bool isNews = waitsFor != MemoryAdmission::For::SIZE;
    if (isNews && (!known.logged || now - *known.logged >= LOG_INTERVAL)) {
        known.logged = now;
        Log::notice("event=spawn.waits_for_memory app=\"{}\" reason=\"{}\"", application.name(),
                    explain(budget, view, app));
    }
    if (afterOthers) {
        return Verdict::WAIT;
    }
    for (const MemoryBudget::Action &action : actions) {
        act(budget, view, action, "another application needs its memory: ", false);
    }
    return verdict;
}

bool MemoryRoom::isFreeFor(const Scaler &application, MonotonicTime now) const {
    return !isLimited(application) ||
           MemoryAdmission::of(MemoryBudget(look(now).snapshot), indexOf(application), Start::GROW).verdict ==
               Verdict::START;
}

bool MemoryRoom::keepsWaiting(const Scaler &application) const {
    const auto found = known_.find(&application);
    return found != known_.end() && found->second.waits;
}

bool MemoryRoom::isHeldBackByOwn(const Scaler &application) const {
    const auto found = known_.find(&application);
    return found != known_.end() && found->second.heldBackByOwn;
}

GetFailure MemoryRoom::refusalOf(const Scaler &application) const {
    GetFailure failure{GetFailure::Reason::SPAWN_FAILED,
                       fmt::format("an instance of {} has {} MB, and all applications together may use {} MB "
                                   "(PassengerMemoryBudget)",
                                   application.name(), knownOf(application).fresh / MEGABYTE, settings_.memoryBudget)};
    Report report;
    report.summary = failure.summary;
    report.add("Remedy", Report::Form::PROSE,
               "Raise PassengerMemoryBudget. While other applications have instances, this one is not started. After "
               "a restart of the application (tmp/restart.txt) its size is measured again.");
    failure.report = std::make_shared<const Report>(std::move(report));
    return failure;
}

void MemoryRoom::satisfied(const Scaler &application) {
    if (const auto found = known_.find(&application); found != known_.end()) {
        found->second.waits = false;
    }
}

// ----- Changes of the configuration and of applications

void MemoryRoom::budgetChanges(unsigned next) {
    if (next == settings_.memoryBudget || settings_.memoryBudget == 0) {
        return;
    }
    for (const Scaler *application : applications_) {
        if (application->options().memoryBudget == settings_.memoryBudget) {
            known_[application].inherited = settings_.memoryBudget;
        }
    }
}

void MemoryRoom::optionsCame(const Scaler &application) {
    if (const auto found = known_.find(&application); found != known_.end()) {
        found->second.inherited.reset();
    }
}

void MemoryRoom::versionChanged(const Scaler &application) {
    if (const auto found = known_.find(&application); found != known_.end() && found->second.fresh > budget()) {
        found->second.fresh = 0;
    }
}

// ----- Measurements

void MemoryRoom::joined(const Scaler &application, MonotonicTime now) {
    if (nextCheck_ && isLimited(application) && knownOf(application).fresh == 0) {
        nextCheck_ = now;
    }
}

bool MemoryRoom::isJudged(const Scaler &application) const {
    return (application.options().limitsMemory() || isLimited(application)) && !application.instances().empty();
}

/** The sizes of new instances differ, as does what they share. The last ones count most. */
void MemoryRoom::noteMemory(const Scaler &application, Process &process, const ProcessMemory &memory,
                            MonotonicTime now) {
    const bool isFresh = process.memory() == 0 && !process.former() && now - process.since() < FRESH;
    process.noteMemory(memory, now);
    if (isFresh) {
        std::uint64_t &fresh = known_[&application].fresh;
        fresh = fresh == 0 ? process.memory() : (fresh + process.memory()) / 2;
    }
}

void MemoryRoom::notePressure(double server, const std::map<std::uint32_t, double> &applications) {
    const bool pressed = server >= PRESSURE;
    if (pressed != pressed_) {
        Log::notice("event=memory.pressure state={} full_avg10={:.2f} directive=PassengerMemoryBudget",
                    pressed ? "begun" : "over", server);
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
        forgetAll();
        return;
    }
    const View view = look(now);
    const MemoryBudget budget(view.snapshot);
    const std::vector<MemoryBudget::Action> actions = reliefOf(budget);
    for (const MemoryBudget::Action &action : actions) {
        const std::size_t app = view.snapshot.instances[action.instance].app;
        const bool last = applications_[app]->instances().serving() == 1;
        const bool isIdle = action.kind == MemoryBudget::Action::Kind::END;
        act(budget, view, action, isIdle ? "it is idle: " : "", last && !isIdle);
    }
    noteUse(actions.empty() ? budget : MemoryBudget(look(now).snapshot));
}

/** What the options have inherited stays known. */
void MemoryRoom::forgetAll() {
    near_ = exceeded_ = pressed_ = false;
    used_ = 0;
    for (auto &[application, known] : known_) {
        const std::optional<unsigned> inherited = known.inherited;
        known = Known();
        known.inherited = inherited;
    }
}

void MemoryRoom::noteUse(const MemoryBudget &budget) {
    used_ = budget.used();
    near_ = budget.isNear();
    const auto tell = [](bool &exceeded, bool exceeds, const std::string &app, std::uint64_t used, std::uint64_t most) {
        if (exceeds && !exceeded) {
            Log::warn("event=memory.budget_exceeded {}mb={} directive=PassengerMemoryBudget value={}", app,
                      used / MEGABYTE, most / MEGABYTE);
        } else if (exceeded && !exceeds && most > 0) {
            Log::notice("event=memory.budget_kept {}mb={} directive=PassengerMemoryBudget value={}", app,
                        used / MEGABYTE, most / MEGABYTE);
        }
        exceeded = exceeds;
    };
    tell(exceeded_, budget.isExceeded(std::nullopt), "", used_, this->budget());
    for (std::size_t i = 0; i < applications_.size(); i++) {
        const Scaler &application = *applications_[i];
        Known &known = known_[&application];
        known.share = budget.shareOf(i);
        tell(known.exceeded, budget.isExceeded(i), fmt::format("app=\"{}\" ", application.name()), budget.usedBy(i),
             ownBudget(application));
    }
}

}  // namespace Passenger
