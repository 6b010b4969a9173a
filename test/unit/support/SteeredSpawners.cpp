#include "support/SteeredSpawners.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "base/Exceptions.h"

namespace Passenger {

namespace {

constexpr std::chrono::seconds LONGEST_WAIT{60};
constexpr std::chrono::milliseconds SHORT_WAIT{100};

/** Calls back when the thread ends, after all its work for the pool. */
struct ThreadEnd {
    bool permanent = false;
    unsigned boots = 0;
    std::function<void()> callback;
    ~ThreadEnd() {
        if (callback) {
            callback();
        }
    }
};
thread_local ThreadEnd threadEnd;

}  // namespace

class SteeredSpawners::Steered final : public Spawner {
public:
    explicit Steered(SteeredSpawners &owner) : owner_(owner) {}
    SpawnResult spawn(const Options &options) override { return owner_.boot(*this, options); }
    void cancel() override {
        Spawner::cancel();
        owner_.cancel(*this);
    }
    /** Guarded by the owner's mutex. */
    bool cancelled = false;

private:
    SteeredSpawners &owner_;
};

SteeredSpawners::SteeredSpawners(const Clock &clock) : instances_(DummyInstances::Driven::BY_HAND, clock) {}

SteeredSpawners::~SteeredSpawners() = default;

SpawnerPtr SteeredSpawners::create(const Options &) {
    return std::make_unique<Steered>(*this);
}

SpawnResult SteeredSpawners::boot(const Steered &spawner, const Options &options) {
    noteThread();
    std::unique_lock<std::mutex> lock(mutex_);
    const auto me = std::make_shared<Held>(
        Held{options.appRoot, ::gettid(), &spawner, spawner.cancelled, false, threadEnd.boots++ > 0});
    arrived_.push_back(me);
    changed();
    if (!wake_.wait_for(lock, 4 * LONGEST_WAIT, [&] { return me->decided; })) {
        forgotten_++;
    }
    std::erase(arrived_, me);
    std::erase_if(held_, [&](const auto &entry) { return entry.second == me; });
    if (me->companion) {
        ended_++;
        changed();
    }
    if (!me->succeeds) {
        throw SpawnException("a failure was ordered");
    }
    SpawnResult result = instances_.make();
    const std::size_t number = instances_.count();
    ids_.emplace(&instances_.at(number - 1), InstanceId(number));
    return result;
}

void SteeredSpawners::cancel(Steered &spawner) {
    const std::lock_guard<std::mutex> guard(mutex_);
    spawner.cancelled = true;
    const auto decide = [&](Held &held) { held.decided = held.decided || held.spawner == &spawner; };
    std::for_each(arrived_.begin(), arrived_.end(), [&](const auto &held) { decide(*held); });
    std::for_each(held_.begin(), held_.end(), [&](const auto &entry) { decide(*entry.second); });
    changed();
}

void SteeredSpawners::noteThread() {
    if (threadEnd.permanent || threadEnd.callback) {
        return;
    }
    threadEnd.callback = [this] { threadEnds(); };
    const std::lock_guard<std::mutex> guard(mutex_);
    threads_++;
    changed();
}

void SteeredSpawners::exceptThisThread() {
    threadEnd.permanent = true;
}

void SteeredSpawners::threadEnds() {
    const std::lock_guard<std::mutex> guard(mutex_);
    threads_--;
    ended_++;
    changed();
}

void SteeredSpawners::noteChange() {
    const std::lock_guard<std::mutex> guard(mutex_);
    changed();
}

void SteeredSpawners::changed() {
    changes_++;
    wake_.notify_all();
}

std::uint64_t SteeredSpawners::changes() {
    const std::lock_guard<std::mutex> guard(mutex_);
    return changes_;
}

bool SteeredSpawners::allWait(unsigned starting, std::uint64_t changes) {
    std::unique_lock<std::mutex> lock(mutex_);
    unsigned undecided = 0;
    unsigned companions = 0;
    const auto count = [&](const Held &held) {
        undecided += held.decided ? 0 : 1;
        companions += held.companion ? 1 : 0;
    };
    std::for_each(arrived_.begin(), arrived_.end(), [&](const auto &held) { count(*held); });
    std::for_each(held_.begin(), held_.end(), [&](const auto &entry) { count(*entry.second); });
    if (changes_ == changes && threads_ + companions == starting && undecided == threads_) {
        numberArrivals();
        return true;
    }
    // Many short waits: if the machine stands still for a minute, one of them ends, and the others
    // still give the threads time.
    for (std::chrono::milliseconds waited{0}; waited < LONGEST_WAIT; waited += SHORT_WAIT) {
        if (wake_.wait_for(lock, SHORT_WAIT, [&] { return changes_ != changes; })) {
            return false;
        }
    }
    throw std::runtime_error(fmt::format(
        "a background thread neither ends nor waits: {} starting, {} threads, {} boots that nobody has decided",
        starting, threads_, undecided));
}

/** The pool starts the threads one after the other, but they arrive in any order. The kernel
 *  numbers threads in turn, and begins with the lowest number again after the highest. */
void SteeredSpawners::numberArrivals() {
    std::sort(arrived_.begin(), arrived_.end(), [this](const auto &a, const auto &b) {
        return std::pair(a->thread <= lastThread_, a->thread) < std::pair(b->thread <= lastThread_, b->thread);
    });
    for (std::shared_ptr<Held> &held : arrived_) {
        lastThread_ = held->thread;
        held_.emplace(++lastNumber_, std::move(held));
    }
    arrived_.clear();
}

std::vector<SteeredSpawners::Boot> SteeredSpawners::boots() {
    const std::lock_guard<std::mutex> guard(mutex_);
    std::vector<Boot> boots;
    for (const auto &[number, held] : held_) {
        boots.push_back({number, held->appRoot});
    }
    return boots;
}

void SteeredSpawners::finish(std::uint64_t number, bool succeeds) {
    const std::lock_guard<std::mutex> guard(mutex_);
    Held &held = *held_.at(number);
    held.decided = true;
    held.succeeds = succeeds;
    changed();
}

InstanceId SteeredSpawners::idOf(const DummyInstance &instance) {
    const std::lock_guard<std::mutex> guard(mutex_);
    return ids_.at(&instance);
}

std::uint32_t SteeredSpawners::stickyIdOf(InstanceId instance) {
    return instances_.at(instance.value() - 1).stickyId();
}

bool SteeredSpawners::kill(InstanceId instance) {
    DummyInstance &killed = instances_.at(instance.value() - 1);
    if (!killed.alive()) {
        return false;
    }
    killed.die();
    return true;
}

unsigned SteeredSpawners::ended() {
    const std::lock_guard<std::mutex> guard(mutex_);
    return ended_;
}

unsigned SteeredSpawners::forgotten() {
    const std::lock_guard<std::mutex> guard(mutex_);
    return forgotten_;
}

}  // namespace Passenger
