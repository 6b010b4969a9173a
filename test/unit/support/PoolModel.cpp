#include "support/PoolModel.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/format.h>

namespace Passenger {

namespace {

using Request = PoolWorld::Request;
using RequestPtr = PoolWorld::RequestPtr;
using State = Process::State;

/** Longer than a group with waiters is left alone. */
constexpr std::chrono::milliseconds SOON{60};

template <typename... Args> void promise(bool kept, fmt::format_string<Args...> format, Args &&...args) {
    if (!kept) {
        throw BrokenPromise(fmt::format(format, std::forward<Args>(args)...));
    }
}

const ProcessSnapshot *find(const GroupSnapshot *group, InstanceId id) {
    if (group == nullptr) {
        return nullptr;
    }
    const auto found =
        std::find_if(group->processes.begin(), group->processes.end(), [&](const auto &p) { return p.id == id; });
    return found == group->processes.end() ? nullptr : &*found;
}

/** The most instances without a request that these options allow. */
unsigned spareOf(const Options &options) {
    return options.maxSpareInstances > 0 ? std::max(options.minSpareInstances, options.maxSpareInstances)
                                         : std::numeric_limits<unsigned>::max();
}

unsigned servingIn(const GroupSnapshot &group) {
    return static_cast<unsigned>(std::count_if(group.processes.begin(), group.processes.end(),
                                               [](const auto &p) { return p.state == nameOf(State::SERVING); }));
}

unsigned livingIn(const GroupSnapshot &group) {
    return static_cast<unsigned>(std::count_if(group.processes.begin(), group.processes.end(),
                                               [](const auto &p) { return p.state != nameOf(State::STANDBY); }));
}

/** How many requests its serving instances can run at once. */
unsigned capacityOf(const GroupSnapshot *group) {
    unsigned sum = 0;
    for (const ProcessSnapshot &process : group ? group->processes : std::vector<ProcessSnapshot>()) {
        sum += process.state == nameOf(State::SERVING) ? process.concurrency : 0;
    }
    return sum;
}

/** How many requests its instances work at. */
unsigned inWork(const GroupSnapshot *group) {
    unsigned sum = 0;
    for (const ProcessSnapshot &process : group ? group->processes : std::vector<ProcessSnapshot>()) {
        sum += process.sessions;
    }
    return sum;
}

unsigned sizeOf(const GroupSnapshot &group) {
    return static_cast<unsigned>(group.processes.size()) + group.starting;
}

bool isFree(const ProcessSnapshot &instance) {
    return instance.state == nameOf(State::SERVING) && instance.sessions < instance.concurrency;
}

/** Whether something takes something else's place, as far as it can be seen. */
bool replaces(const GroupSnapshot &group) {
    return ((group.state == nameOf(GroupState::DEPLOYING) || group.state == nameOf(GroupState::DEPLOY_WAITS)) &&
            !group.processes.empty()) ||
           std::any_of(group.processes.begin(), group.processes.end(), [](const auto &p) {
               return p.state == nameOf(State::STANDBY) || p.state == nameOf(State::DRAINING) ||
                      !p.replacementReason.empty();
           });
}

}  // namespace

PoolModel::PoolModel(PoolWorld &world) : world_(world), apps_(world.apps()) {
    snapshot_ = world_.settle();
    ceiling_ = snapshot_.maxSize;
}

PoolModel::~PoolModel() {
    // The world's end is that of all other sessions.
    sessions_.clear();
}

// ----- What can be done

void PoolModel::ask(std::size_t app, std::uint32_t stickyId) {
    asked_ = world_.ask(app, stickyId);
    apps_[app].spare[world_.options(app).startupFile] = spareOf(world_.options(app));
    waiters_.push_back(asked_);
}

void PoolModel::release(std::size_t session) {
    world_.release(sessions_[session]);
    sessions_.erase(sessions_.begin() + static_cast<std::ptrdiff_t>(session));
}

void PoolModel::cancel(std::size_t waiter) {
    world_.cancel(waiters_[waiter]);
    waiters_.erase(waiters_.begin() + static_cast<std::ptrdiff_t>(waiter));
}

bool PoolModel::kill(InstanceId instance) {
    for (std::size_t app = 0; app < apps_.size(); app++) {
        if (find(group(snapshot_, app), instance) != nullptr) {
            apps_[app].inTrouble = true;
        }
    }
    return world_.kill(instance);
}

void PoolModel::finish(const SteeredSpawners::Boot &boot, bool succeeds) {
    App &app = apps_[world_.appOf(boot.appRoot)];
    app.inTrouble = app.inTrouble || !succeeds;
    world_.finish(boot.number, succeeds);
}

std::vector<ProcessSnapshot> PoolModel::instances() const {
    std::vector<ProcessSnapshot> all;
    for (const GroupSnapshot &each : snapshot_.groups) {
        all.insert(all.end(), each.processes.begin(), each.processes.end());
    }
    return all;
}

// ----- What must hold

void PoolModel::check() {
    before_ = std::exchange(snapshot_, world_.settle());
    if (observer) {
        observer(snapshot_);
    }
    for (App &app : apps_) {
        app.mixed = false;
    }
    for (const RequestPtr &waiter : waiters_) {
        App &app = apps_[waiter->app];
        app.mixed = app.mixed || waiter->maxInstances != world_.options(waiter->app).maxInstances;
    }
    takeAnswers();
    checkWaiters();
    checkPoolLimit();
    for (const GroupSnapshot &each : snapshot_.groups) {
        checkGroup(world_.appOf(each.root), each);
    }
    asked_.reset();
}

void PoolModel::takeAnswers() {
    const std::vector<RequestPtr> answered = world_.takeAnswered();
    for (const RequestPtr &request : answered) {
        promise(std::erase(waiters_, request) == 1, "request {} was answered twice", request->number);
        if (request->session) {
            sessions_.push_back(request);
        }
    }
    for (const RequestPtr &request : answered) {
        checkAnswer(*request);
    }
}

void PoolModel::checkAnswer(const Request &request) {
    if (request.session) {
        checkGiven(request);
    } else {
        checkRefusal(request);
    }
}

void PoolModel::checkGiven(const Request &request) const {
    promise(find(group(snapshot_, request.app), request.instance) != nullptr,
            "request {} of application {} was given to {}, which is no instance of it", request.number, request.app,
            request.instance.value());
    if (const ProcessSnapshot *earlier = find(group(before_, request.app), request.instance)) {
        promise(earlier->state == nameOf(State::SERVING) || earlier->state == nameOf(State::STANDBY),
                "request {} was given to instance {}, which is {}", request.number, request.instance.value(),
                earlier->state);
    }
}

void PoolModel::checkRefusal(const Request &request) {
    const GroupSnapshot *mine = group(snapshot_, request.app);
    promise(request.failure->kind == Reply::Kind::REFUSED, "request {} was not refused, but {}", request.number,
            request.failure->summary);
    switch (request.failure->status) {
        case 500:
            promise(apps_[request.app].inTrouble, "request {} was told of a failure that never was", request.number);
            promise(servingIn(*mine) == 0, "request {} was told of a failure, while an instance serves",
                    request.number);
            return;
        case 503: {
            // Requests of instances that take no more count for the queue.
            const unsigned limit = world_.options(request.app).maxQueueSize;
            const unsigned inFlight = waitersOf(request.app) + sessionsOf(request.app);
            promise(ended_ || (asked_ && &request == asked_.get() && limit > 0 && inFlight >= limit),
                    "request {} was refused, though only {} are in flight", request.number, inFlight);
            return;
        }
        case 504:
            promise(request.deadline && *request.deadline <= world_.now(), "request {} was refused before its time",
                    request.number);
            return;
        default: promise(false, "request {} was refused with {}", request.number, request.failure->status);
    }
}

void PoolModel::checkWaiters() const {
    for (const RequestPtr &waiter : waiters_) {
        promise(!waiter->deadline || *waiter->deadline > world_.now(), "request {} waits longer than it may",
                waiter->number);
        checkFree(*waiter);
    }
    const unsigned limit = asked_ ? world_.options(asked_->app).maxQueueSize : 0;
    if (limit > 0 && std::find(waiters_.begin(), waiters_.end(), asked_) != waiters_.end()) {
        // An instance may have ended since the request was admitted.
        const unsigned capacity =
            std::max(capacityOf(group(before_, asked_->app)), capacityOf(group(snapshot_, asked_->app)));
        // Requests that instances work at which are to end do not wait.
        const unsigned working = inWork(group(snapshot_, asked_->app));
        promise(waitersOf(asked_->app) + working <= limit + std::max(capacity, working), "more requests wait than may");
    }
}

/** Nobody waits for what is free. Who wants an instance that serves waits for that; when it serves
 *  no more, it is noticed soon. */
void PoolModel::checkFree(Request &waiter) const {
    const GroupSnapshot *mine = group(snapshot_, waiter.app);
    const auto wanted = std::find_if(mine->processes.begin(), mine->processes.end(), [&](const auto &p) {
        return waiter.stickyId != 0 && world_.spawners().stickyIdOf(p.id) == waiter.stickyId &&
               p.state == nameOf(State::SERVING);
    });
    const bool waitsForOne = wanted != mine->processes.end();
    const bool couldBeServed =
        waitsForOne ? isFree(*wanted) : std::any_of(mine->processes.begin(), mine->processes.end(), isFree);
    if (!couldBeServed) {
        waiter.neglected.reset();
        return;
    }
    waiter.neglected = waiter.neglected.value_or(world_.now());
    const bool soon = waiter.stickyId != 0 && !waitsForOne && world_.now() - *waiter.neglected <= SOON;
    promise(soon, "request {} waits, while an instance of application {} is free", waiter.number, waiter.app);
}

void PoolModel::checkPoolLimit() {
    const bool oneMore = std::any_of(snapshot_.groups.begin(), snapshot_.groups.end(), replaces);
    ceiling_ = std::max(snapshot_.maxSize, std::min(ceiling_, before_.size));
    promise(snapshot_.size <= ceiling_ + (oneMore ? 1 : 0), "there are {} instances where {} may be", snapshot_.size,
            ceiling_);
}

void PoolModel::checkGroup(std::size_t app, const GroupSnapshot &group) {
    promise(group.queue.waiting == waitersOf(app), "application {} says that {} requests wait, but {} do", app,
            group.queue.waiting, waitersOf(app));
    checkGroupLimit(apps_[app], group, this->group(before_, app));
    for (const ProcessSnapshot &instance : group.processes) {
        checkInstance(instance);
    }
}

void PoolModel::checkGroupLimit(App &app, const GroupSnapshot &group, const GroupSnapshot *before) const {
    const unsigned earlier = before != nullptr ? sizeOf(*before) : 0;
    const unsigned limit = group.maxInstances;
    if (limit == app.limit && !app.mixed) {
        app.ceiling = std::max(limit, std::min(app.ceiling, earlier));
    } else {
        // Instances may have been ordered in this step before the limit was lowered.
        app.ceiling = std::max(limit, sizeOf(group));
    }
    app.limit = limit;
    if (limit == 0) {
        return;
    }
    promise(sizeOf(group) <= app.ceiling + (replaces(group) ? 1 : 0), "{} has {} instances where {} may be", group.name,
            sizeOf(group), app.ceiling);
    const bool onlyOne = limit == 1 && app.ceiling == 1 && (before == nullptr || livingIn(*before) <= 1);
    promise(!onlyOne || livingIn(group) <= 1, "{} instances of {} live where only one may", livingIn(group),
            group.name);
}

void PoolModel::checkInstance(const ProcessSnapshot &instance) const {
    const auto open = static_cast<unsigned>(std::count_if(
        sessions_.begin(), sessions_.end(), [&](const auto &session) { return session->instance == instance.id; }));
    promise(instance.sessions == open, "instance {} says that it has {} sessions, but it has {}", instance.id.value(),
            instance.sessions, open);
    promise(open <= instance.concurrency, "instance {} has {} sessions at once", instance.id.value(), open);
}

// ----- The end

void PoolModel::calmDown() {
    // An application that failed is tried again within a minute; each may have to wait for the
    // others.
    constexpr int STEPS = 600;
    for (int step = 0; step < STEPS; step++) {
        releaseAll();
        for (auto boots = world_.spawners().boots(); !boots.empty(); boots = world_.spawners().boots()) {
            finish(boots.front(), true);
            check();
            releaseAll();
        }
        if (calm()) {
            return;
        }
        world_.pass(std::chrono::milliseconds(500));
        check();
    }
    checkCalm();
}

void PoolModel::releaseAll() {
    while (!sessions_.empty()) {
        release(0);
        check();
    }
}

bool PoolModel::calm() const {
    try {
        checkCalm();
        return true;
    } catch (const BrokenPromise &) {
        return false;
    }
}

void PoolModel::checkCalm() const {
    promise(waiters_.empty(), "request {} of application {} waits for ever",
            waiters_.empty() ? 0 : waiters_.front()->number, waiters_.empty() ? 0 : waiters_.front()->app);
    for (const GroupSnapshot &each : snapshot_.groups) {
        promise(each.state != nameOf(GroupState::DEPLOYING) && each.state != nameOf(GroupState::DEPLOY_WAITS),
                "the new version of {} never comes", each.name);
        const unsigned spare = std::max(apps_[world_.appOf(each.root)].spare.at(each.startupFile), each.minInstances);
        promise(servingIn(each) <= spare, "{} keeps {} instances without a request where {} may be", each.name,
                servingIn(each), spare);
        for (const ProcessSnapshot &instance : each.processes) {
            promise(instance.state == nameOf(State::SERVING), "instance {} stays {}", instance.id.value(),
                    instance.state);
            promise(instance.replacementReason.empty(), "instance {} is due for replacement, and is never replaced",
                    instance.id.value());
            promise(instance.version == each.version, "instance {} stays, and is of an old version",
                    instance.id.value());
        }
    }
}

void PoolModel::end() {
    ended_ = true;
    world_.pool().shutDown();
    world_.settle();
    for (const RequestPtr &request : world_.takeAnswered()) {
        promise(std::erase(waiters_, request) == 1, "request {} was answered twice", request->number);
        promise(request->failure.has_value(), "request {} was served after the end", request->number);
        checkRefusal(*request);
    }
    promise(waiters_.empty(), "request {} was not answered at the end", waiters_.empty() ? 0 : waiters_[0]->number);
    sessions_.clear();
    world_.destroyPool();
    promise(world_.spawners().forgotten() == 0, "a boot was not cancelled at the end");
}

// ----- Views

const GroupSnapshot *PoolModel::group(const PoolSnapshot &snapshot, std::size_t app) const {
    const auto found = std::find_if(snapshot.groups.begin(), snapshot.groups.end(),
                                    [&](const auto &group) { return world_.appOf(group.root) == app; });
    return found == snapshot.groups.end() ? nullptr : &*found;
}

unsigned PoolModel::sessionsOf(std::size_t app) const {
    return static_cast<unsigned>(
        std::count_if(sessions_.begin(), sessions_.end(), [&](const auto &session) { return session->app == app; }));
}

unsigned PoolModel::waitersOf(std::size_t app) const {
    return static_cast<unsigned>(
        std::count_if(waiters_.begin(), waiters_.end(), [&](const auto &waiter) { return waiter->app == app; }));
}

}  // namespace Passenger
