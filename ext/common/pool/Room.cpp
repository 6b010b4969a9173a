#include "pool/Room.h"

#include <algorithm>

#include "base/Lists.h"
#include "log/Log.h"
#include "pool/Scaler.h"

namespace Passenger {

namespace {

/** One part of the pool may be taken a second time while instances that only wait are to end. So
 *  many instances at most end in the place of slow ones, too. */
constexpr unsigned PARTS_OF_THE_POOL = 4;
/** An instance that is to end does so soon, if it does within this time. */
constexpr std::chrono::seconds SOON{1};
/** After this time a busy instance ends in place of one that still works at a request. */
constexpr std::chrono::seconds SLOW{3};
/** So many instances load at once, before further deployments and replacements wait. */
constexpr unsigned LOADS_OF_A_CORE = 2;
constexpr unsigned FEWEST_LOADS = 4;
/** The longest time without a turn: loads may only wait, as for a database, and for long. */
constexpr std::chrono::seconds LONGEST_TURN{20};
/** The least time between two lines about a new version that waits, and before the first one. */
constexpr std::chrono::minutes LOG_INTERVAL{1};

/** A wish for a request comes before one for an instance in reserve; then the one whose request has
 *  waited longest. */
bool comesBefore(const Scaler &a, const Scaler &b) REQUIRES(poolLock) {
    const std::optional<MonotonicTime> one = a.demand().waitingSince();
    const std::optional<MonotonicTime> other = b.demand().waitingSince();
    if (one && other && *one != *other) {
        return *one < *other;
    }
    return one.has_value() != other.has_value() ? one.has_value() : a.slot() < b.slot();
}

}  // namespace

bool Room::BySlot::operator()(const Scaler *a, const Scaler *b) const noexcept {
    return a->slot() < b->slot();
}

void Room::leaveIfEmpty(Scaler &application) {
    if (application.size() == 0) {
        occupants_.erase(&application);
    } else {
        // It may have left meanwhile: the failure of a start looks at it once more.
        occupants_.insert(&application);
    }
}

void Room::remove(Scaler &application) {
    satisfied(application);
    withdrawReplacement(application);
    std::erase(applications_, &application);
    occupants_.erase(&application);
    memory_.forget(application);
}

unsigned Room::size() const {
    return sumOf(0U, occupants_, &Scaler::size);
}

/** The instances that count for the limit. Forks of a preloader for a new version do not until the
 *  takeover: no other application is to lose an instance for them. */
unsigned Room::counted() const {
    return sumOf(0U, occupants_, [](const Scaler *application) REQUIRES(poolLock) {
        return application->size() - application->aboveLimit();
    });
}

unsigned Room::draining() const {
    return sumOf(0U, occupants_,
                 [](const Scaler *application) REQUIRES(poolLock) { return application->instances().draining(); });
}

unsigned Room::waiting() const {
    return static_cast<unsigned>(std::count_if(wishes_.begin(), wishes_.end(), [](const auto &wish) REQUIRES(poolLock) {
        return wish.second->demand().waitingSince().has_value();
    }));
}

/** How many applications have their turn before this one. An application whose own instances wait
 *  for the end of their requests has room as soon as they end, and delays no other one. Nor does an
 *  application that waits for memory. */
unsigned Room::olderWishes(const Scaler &application, MonotonicTime now) const {
    return static_cast<unsigned>(
        std::count_if(wishes_.begin(), wishes_.end(), [&](const auto &wish) REQUIRES(poolLock) {
            return wish.second != &application && !memory_.keepsWaiting(*wish.second) &&
                   comesBefore(*wish.second, application) && wish.second->instances().drainingThatOnlyWait(now) == 0;
        }));
}

Room::Census Room::census(const Scaler &application, MonotonicTime now) const {
    Census census;
    for (const Scaler *each : occupants_) {
        const Instances &instances = each->instances();
        const unsigned waiting = instances.drainingThatOnlyWait(now);
        census.taken += each->size() - each->aboveLimit();
        census.draining += instances.draining();
        census.endingSoon += instances.draining() - waiting - instances.drainingTooLong(now, SOON);
        census.slow += instances.drainingTooLong(now, SLOW);
        census.uncounted += each == &application ? instances.drainingWithStreamsOnly(now) : waiting;
    }
    census.taken += olderWishes(application, now);
    // Limited, since each of them has its memory.
    const unsigned part = application.demand().waitingSince() ? std::max(settings_.maxSize / PARTS_OF_THE_POOL, 1U) : 0;
    census.uncounted = std::min(census.uncounted, part);
    census.slow = std::min(census.slow, part);
    return census;
}

/** @return whether an instance could be chosen, which ends */
bool Room::evictFor(const Scaler &application, bool onlyIdle, MonotonicTime now) {
    Scaler *victim = chooseVictim(application, onlyIdle, now);
    if (victim != nullptr) {
        victim->evict();
    }
    return victim != nullptr;
}

bool Room::admit(Scaler &application, MonotonicTime now) {
    wishes_.emplace(application.slot(), &application);
    const unsigned max = settings_.maxSize + (application.succession().replacing() ? 1 : 0);
    Census census = this->census(application, now);
    const auto evict = [&](bool onlyIdle) REQUIRES(poolLock) {
        const bool evicted = evictFor(application, onlyIdle, now);
        if (evicted) {
            census = this->census(application, now);
        }
        return evicted;
    };
    // More than one may have to go: the limit may have been lowered below the present number.
    while (census.taken + census.slow >= max + census.draining && evict(false)) {
    }
    if (census.taken < max + census.uncounted) {
        return true;
    }
    // Enough instances are to end. Instances that only wait or compute may take long, where idle
    // ones end at once.
    const bool waitsForItsOwn = application.instances().drainingThatOnlyWait(now) > 0;
    while (!waitsForItsOwn && census.taken >= max + census.uncounted + census.endingSoon && evict(true)) {
    }
    return census.taken < max + census.uncounted;
}

MemoryRoom::Verdict Room::admitNew(Scaler &application, MemoryAdmission::Start start, MonotonicTime now) {
    using Verdict = MemoryRoom::Verdict;
    wishes_.emplace(application.slot(), &application);
    const Verdict verdict = memory_.admit(application, start, now);
    return verdict == Verdict::START && !admit(application, now) ? Verdict::WAIT : verdict;
}

void Room::endSurplusOrphans() {
    if (orphans_.empty()) {
        return;
    }
    orphans_.limit(settings_.maxSize - std::min(settings_.maxSize, counted()));
}

void Room::trim() {
    endSurplusOrphans();
    while (counted() > settings_.maxSize + draining() + (replacing() ? 1 : 0)) {
        const Candidates candidates = this->candidates(nullptr, false);
        const std::optional<std::size_t> victim = chooseSurplus(candidates.rooms);
        if (!victim) {
            return;
        }
        candidates.applications[*victim]->evict();
    }
}

Room::Candidates Room::candidates(const Scaler *except, bool onlyAboveMinimum) const {
    Candidates result;
    for (Scaler *each : occupants_) {
        // Looking at an application reads its claims, which is much for hundreds of applications.
        const unsigned serving = each->instances().serving();
        if (each == except || serving == 0 || (onlyAboveMinimum && serving <= each->demand().minInstances())) {
            continue;
        }
        if (std::optional<RoomCandidate> candidate = each->demand().roomCandidate()) {
            candidate->irreplaceable = each->isIrreplaceable();
            result.applications.push_back(each);
            result.rooms.push_back(*candidate);
        }
    }
    return result;
}

Scaler *Room::chooseVictim(const Scaler &application, bool onlyIdle, MonotonicTime now) const {
    RoomRequest request = application.demand().roomRequest();
    request.onlyIdle = onlyIdle;
    Candidates candidates = this->candidates(&application, !request.oldestWaiter);
    for (std::size_t i = 0; i < candidates.rooms.size(); i++) {
        // Looked at only where it decides.
        if (request.serving == 0 && candidates.rooms[i].oldestWaiter && !candidates.rooms[i].idle) {
            const Instances &instances = candidates.applications[i]->instances();
            candidates.rooms[i].onlyWaits = instances.onlyWaits(*instances.leastNeeded(), now);
        }
    }
    const std::optional<std::size_t> victim = Passenger::chooseVictim(request, candidates.rooms, now);
    return victim ? candidates.applications[*victim] : nullptr;
}

/** Whether an instance takes another one's place, so that there may be one more. */
bool Room::replacing() const {
    return std::any_of(occupants_.begin(), occupants_.end(), [](const Scaler *each) REQUIRES(poolLock) {
        return each->succession().replacing() || each->succession().startingReplacement();
    });
}

/** Whether one more load could make all of them too slow for PassengerStartTimeout. */
bool Room::loadsEnough() const {
    const unsigned loads = sumOf(
        0U, occupants_, [](const Scaler *application) REQUIRES(poolLock) { return application->spawns().loads(); });
    return loads >= std::max(LOADS_OF_A_CORE * cpu_.cores(), FEWEST_LOADS);
}

/** An application that only its own budget holds back needs nothing that others have. */
bool Room::anyWantsRoom() const {
    return std::any_of(wishes_.begin(), wishes_.end(),
                       [this](const auto &wish)
                           REQUIRES(poolLock) { return !memory_.isHeldBackByOwn(*wish.second); }) ||
           std::any_of(replacementWishes_.begin(), replacementWishes_.end(),
                       [this](const auto &wish)
                           REQUIRES(poolLock) { return !memory_.isHeldBackByOwn(*wish.second.application); });
}

void Room::satisfied(const Scaler &application) {
    wishes_.erase(application.slot());
    memory_.satisfied(application);
}

bool Room::hasWish(const Scaler &application) const {
    return wishes_.contains(application.slot()) || replacementWishes_.contains(application.slot());
}

/** Whether it loads the application's files. */
bool Room::loads(const Replacement &wish) {
    return wish.start == MemoryAdmission::Start::DEPLOY || !wish.application->forks();
}

/** Replacements exceed the limit by one at most. An application that is above a lowered limit may
 *  still replace its instances, one at a time. */
MemoryRoom::Verdict Room::admitReplacement(Scaler &application, MemoryAdmission::Start start, MonotonicTime now) {
    Replacement &wish =
        replacementWishes_.try_emplace(application.slot(), Replacement{&application, start, now}).first->second;
    if (wish.start != start) {
        wish = {&application, start, now};
    }
    const bool isAble = (!application.atLimit() || !application.succession().replacing()) &&
                        !application.succession().startingReplacement();
    wish.turn = isAble ? turnOf(wish, now) : Turn::NONE;
    if (wish.turn != Turn::NONE) {
        logWait(wish, now);
        return MemoryRoom::Verdict::WAIT;
    }
    const MemoryRoom::Verdict verdict = isAble ? memory_.admit(application, start, now) : MemoryRoom::Verdict::WAIT;
    if (verdict == MemoryRoom::Verdict::START) {
        lastTurn_ = loads(wish) ? now : lastTurn_;
        withdrawReplacement(application);
    }
    return verdict;
}

/** What a replacement that is possible by itself has to wait for. */
Room::Turn Room::turnOf(const Replacement &wish, MonotonicTime now) const {
    if (!isFree() && (replacing() || !isFirst(wish, Turn::ROOM))) {
        return Turn::ROOM;
    }
    // Without a preloader the old version gets no further instance meanwhile.
    const std::optional<MonotonicTime> asked = wish.application->demand().waitingSince();
    const bool needed = asked && now - *asked >= SOON && !wish.application->forks();
    if (!loads(wish) || needed) {
        return Turn::NONE;
    }
    const bool isLate = now - std::max(wish.since, lastTurn_) >= LONGEST_TURN;
    return isFirst(wish, Turn::LOADS) && (isLate || !loadsEnough()) ? Turn::NONE : Turn::LOADS;
}

void Room::logWait(Replacement &wish, MonotonicTime now) {
    if (wish.start != MemoryAdmission::Start::DEPLOY || now - wish.logged.value_or(wish.since) < LOG_INTERVAL) {
        return;
    }
    wish.logged = now;
    Log::notice("event=deploy.waits app=\"{}\" reason=\"{}\"", wish.application->name(),
                wish.turn == Turn::ROOM
                    ? "the pool is full, and instances of other applications are replaced (PassengerMaxPoolSize)"
                    : "as many instances load as the processors can load at once");
}

bool Room::waitsForTurn(const Scaler &application) const {
    const auto found = replacementWishes_.find(application.slot());
    return found != replacementWishes_.end() && found->second.turn != Turn::NONE;
}

unsigned Room::sharers(const Scaler &application) const {
    const auto found = replacementWishes_.find(application.slot());
    if (found != replacementWishes_.end() && isFirst(found->second, found->second.turn)) {
        return 1;
    }
    return static_cast<unsigned>(std::max<std::size_t>(wishes_.size() + replacementWishes_.size(), 1));
}

bool Room::comesFirst(const Replacement &a, const Replacement &b) {
    const bool deploys = a.start == MemoryAdmission::Start::DEPLOY;
    return a.start == b.start ? a.since < b.since : deploys;
}

/** Whether no other application that waits for the same comes before. */
bool Room::isFirst(const Replacement &wish, Turn turn) const {
    return std::none_of(replacementWishes_.begin(), replacementWishes_.end(), [&](const auto &other) {
        return other.second.turn == turn && other.second.application != wish.application &&
               comesFirst(other.second, wish);
    });
}

void Room::withdrawReplacement(const Scaler &application) {
    replacementWishes_.erase(application.slot());
}

void Room::mayHaveCome() {
    auto replacements = listOf(replacementWishes_, &decltype(replacementWishes_)::value_type::second);
    std::stable_sort(replacements.begin(), replacements.end(), comesFirst);
    bool loadsEnough = false;
    for (const Replacement &wish : replacements) {
        if (loadsEnough && loads(wish)) {
            // It would wait, too.
            continue;
        }
        wish.application->rescale();
        const auto kept = replacementWishes_.find(wish.application->slot());
        loadsEnough = loadsEnough || (kept != replacementWishes_.end() && kept->second.turn == Turn::LOADS);
    }
    auto applications = listOf(wishes_, &decltype(wishes_)::value_type::second);
    std::sort(applications.begin(), applications.end(),
              [](const Scaler *a, const Scaler *b) REQUIRES(poolLock) { return comesBefore(*a, *b); });
    for (Scaler *application : applications) {
        application->rescale();
        if (wishes_.contains(application->slot()) && application->instances().serving() == 0 &&
            !memory_.isHeldBackByOwn(*application)) {
            // No other application has more right to room.
            return;
        }
    }
}

}  // namespace Passenger
