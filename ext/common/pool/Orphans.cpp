#include "pool/Orphans.h"

#include <sys/socket.h>

#include <algorithm>
#include <csignal>
#include <exception>
#include <utility>

#include "base/Exceptions.h"
#include "base/Lists.h"
#include "base/PidFd.h"
#include "base/SystemClock.h"
#include "exchange/Options.h"
#include "log/Log.h"
#include "pool/DrainLimit.h"
#include "restart/RestartFiles.h"
#include "rights/ProcessLineage.h"
#include "rights/Rights.h"
#include "spawning/OutputLimit.h"

namespace Passenger {

namespace {

/** The ends of the common queue, before the sending end of a priority queue. */
constexpr std::size_t QUEUE_ENDS = 2;
/** The longest time between two looks at the clock. */
constexpr std::chrono::milliseconds LOOK_INTERVAL{5000};
/** Larger than any uid. */
constexpr ProcessOutput::Owner NOT_A_USER = ProcessOutput::Owner{1} << 32;

/** If the process lives after the look, the pid was its own. */
std::optional<uid_t> userOf(const Orphan &orphan) {
    const auto user = ProcessLineage::userOf(orphan.note.pid);
    return waitPidFd(orphan.left.pidFd, std::chrono::milliseconds(0)) ? std::nullopt : user;
}

}  // namespace

Orphans::Orphans(EventLoop &loop, const Clock &clock, DescriptorStore &store, InstanceStore::FindGroup findGroup)
    : loop_(loop),
      clock_(clock),
      store_(store),
      instances_(store),
      findGroup_(std::move(findGroup)),
      since_(clock_.now()),
      interval_(LOOK_INTERVAL),
      timer_(loop, [this] { look(); }) {}

Orphans::~Orphans() {
    // On the loop: a watcher's destructor waits for a running callback, and the callback needs this
    // object.
    loop_.runSync([this] {
        std::map<std::string, Kept> kept;
        const LockGuard guard(mutex_);
        kept.swap(kept_);
    });
}

// ----- What the watchdog has kept

void Orphans::restore(const std::string &key, const std::string &note, std::vector<FileDescriptor> descriptors) {
    if (InstanceStore::isEntry(key, descriptors.size())) {
        if (std::optional<Orphan> orphan = instances_.restore(key, note, std::move(descriptors), findGroup_)) {
            const State state = orphan->note.serves ? State::WAITS : State::ENDS;
            keep({.orphan = std::move(*orphan), .state = state, .endsSince = clock_.now()});
        }
        return;
    }
    if (key.starts_with("queue:") && !descriptors.empty()) {
        Log::info("event=queue.closed app=\"{}\" reason=\"the pool process was replaced\"", note);
        if (descriptors.size() > QUEUE_ENDS) {
            ::shutdown(descriptors[QUEUE_ENDS].get(), SHUT_WR);
        }
        ::shutdown(descriptors.front().get(), SHUT_WR);
    }
    store_.remove(key);
}

void Orphans::wait(std::chrono::nanoseconds time) {
    const LockGuard guard(mutex_);
    waitUntil_.reset();
    interval_ = LOOK_INTERVAL;
    if (time > std::chrono::nanoseconds(0)) {
        waitUntil_ = since_ + time;
        interval_ = std::min(std::chrono::ceil<std::chrono::milliseconds>(time), LOOK_INTERVAL);
    }
    timer_.start(interval_, interval_);
}

/** On the loop, at intervals. */
void Orphans::look() {
    const LockGuard guard(mutex_);
    if (kept_.empty()) {
        timer_.stop();
        return;
    }
    const MonotonicTime now = clock_.now();
    const bool over = waitUntil_ && now >= *waitUntil_;
    for (auto &[key, kept] : kept_) {
        if (over && kept.state == State::WAITS) {
            tellToEnd(kept, "no child has asked for its application within PassengerPoolIdleTime");
        } else if (kept.state == State::ENDS && now - kept.endsSince > DRAIN_LIMIT + kept.orphan.note.stopTimeout) {
            if (!std::exchange(kept.killed, true)) {
                Log::warn("event=instance.killed app=\"{}\" pid={} reason=\"it did not finish in time\"",
                          kept.orphan.note.app, kept.orphan.note.pid);
                kept.orphan.claims->noteDeath(true);
            }
            // Again at each look, as HangWatch does.
            Rights::ofThisProcess().signalOrLog(kept.orphan.left.pidFd, kept.orphan.note.pid, SIGKILL);
        }
    }
}

/** Its output and its end are looked after here from now on. */
void Orphans::keep(Kept kept) {
    Orphan &orphan = kept.orphan;
    const std::string key = InstanceStore::keyOf(orphan.note.pid);
    // PassengerMaxLogLinesPerSecond of the application is known once a child asks for it.
    auto limit = std::make_shared<OutputLimit>(loop_, SystemClock::instance(), orphan.note.app);
    limit->set(Options().maxLogLines);
    // Its user is not known, either.
    const ProcessOutput::Owner owner = NOT_A_USER | static_cast<ProcessOutput::Owner>(orphan.note.pid);
    try {
        kept.output = std::make_shared<ProcessOutput>(loop_, orphan.left.output.duplicate(), owner, OutputSink(),
                                                      std::move(limit));
        kept.output->setPid(orphan.note.pid);
    } catch (const std::exception &error) {
        // What it prints would stop it once the pipe is full. Its end must be seen all the same.
        Log::warn("event=output.not_read app=\"{}\" pid={} error=\"{}\"", orphan.note.app, orphan.note.pid,
                  error.what());
        kept.state = State::ENDS;
    }
    kept.user = userOf(orphan);
    const int pidFd = orphan.left.pidFd.get();
    {
        const LockGuard guard(mutex_);
        if (kept.state == State::ENDS && !kept.killed) {
            tellToEnd(kept, "it takes no requests any more");
        }
        kept_.insert_or_assign(key, std::move(kept));
        timer_.start(interval_, interval_);
    }
    loop_.runSync([&] {
        auto watcher = std::make_unique<DescriptorWatcher>(loop_, pidFd, DescriptorWatcher::READABLE,
                                                           [this, key](int) { ended(key); });
        const LockGuard guard(mutex_);
        if (const auto found = kept_.find(key); found != kept_.end()) {
            found->second.watcher = std::move(watcher);
        }
    });
}

// ----- Those that wait

bool Orphans::empty() const {
    const LockGuard guard(mutex_);
    return kept_.empty();
}

std::vector<OrphanSnapshot> Orphans::inspect() const {
    const LockGuard guard(mutex_);
    return listOf(kept_, [](const auto &each) {
        const Orphan &orphan = each.second.orphan;
        return OrphanSnapshot{orphan.note.app, orphan.note.pid, each.second.state != State::ENDS,
                              orphan.claims->taken(), each.second.user};
    });
}

unsigned Orphans::waiting(const std::string &app) const {
    const LockGuard guard(mutex_);
    return static_cast<unsigned>(std::count_if(kept_.begin(), kept_.end(), [&](const auto &each) {
        return each.second.state == State::WAITS && each.second.orphan.note.app == app;
    }));
}

std::optional<std::string> Orphans::restartFile(const std::string &app, bool rolling) {
    std::optional<std::string> state;
    {
        const LockGuard guard(mutex_);
        for (const auto &[key, kept] : kept_) {
            if (kept.state == State::WAITS && kept.orphan.note.app == app) {
                state = kept.orphan.note.restartFile;
            }
        }
    }
    if (state == RestartFiles::ASKED && !rolling) {
        end(app);
        state.reset();
    }
    return state;
}

bool Orphans::deployFailed(const std::string &app) const {
    const LockGuard guard(mutex_);
    return std::any_of(kept_.begin(), kept_.end(), [&](const auto &each) {
        const InstanceNote &note = each.second.orphan.note;
        return each.second.state == State::WAITS && note.app == app && note.deployFailed;
    });
}

bool Orphans::askRestart(const std::string &app) {
    const LockGuard guard(mutex_);
    bool found = false;
    for (auto &[key, kept] : kept_) {
        if (kept.state == State::WAITS && kept.orphan.note.app == app) {
            kept.orphan.note.restartFile = RestartFiles::ASKED;
            deposit(kept.orphan);
            found = true;
        }
    }
    return found;
}

std::string Orphans::reserve(const std::string &app) {
    const LockGuard guard(mutex_);
    for (auto &[key, kept] : kept_) {
        if (kept.state == State::WAITS && kept.orphan.note.app == app) {
            kept.state = State::RESERVED;
            return key;
        }
    }
    return "";
}

void Orphans::release(const std::string &key) {
    const LockGuard guard(mutex_);
    const auto found = kept_.find(key);
    if (found != kept_.end() && found->second.state == State::RESERVED) {
        found->second.state = State::WAITS;
    }
}

std::optional<Orphan> Orphans::take(const std::string &key) {
    std::optional<Kept> kept = remove(key);
    return kept ? std::optional(std::move(kept->orphan)) : std::nullopt;
}

void Orphans::giveBack(Orphan orphan, bool killed) {
    keep({.orphan = std::move(orphan), .state = State::ENDS, .endsSince = clock_.now(), .killed = killed});
}

bool Orphans::end(const std::string &app) {
    const LockGuard guard(mutex_);
    bool found = false;
    for (auto &[key, kept] : kept_) {
        if (kept.state == State::WAITS && kept.orphan.note.app == app) {
            tellToEnd(kept, "its application is restarted or ended");
            found = true;
        }
    }
    return found;
}

void Orphans::limit(unsigned most) {
    const LockGuard guard(mutex_);
    std::vector<Kept *> waiting;
    for (auto &[key, kept] : kept_) {
        if (kept.state == State::WAITS) {
            waiting.push_back(&kept);
        }
    }
    if (waiting.size() <= most) {
        return;
    }
    std::stable_partition(waiting.begin(), waiting.end(),
                          [](const Kept *kept) { return kept->orphan.claims->taken() > 0; });
    for (std::size_t i = most; i < waiting.size(); i++) {
        tellToEnd(*waiting[i], most > 0 ? "the pool has no room for it" : "the pool ends, or is full");
    }
}

/**
 * The end of its queue is not enough: the instance may wait for a channel that no process can send
 * any more. The watchdog has a copy of the socket.
 */
void Orphans::tellToEnd(Kept &kept, const char *why) {
    kept.state = State::ENDS;
    kept.endsSince = clock_.now();
    // For the next pool process: it takes no requests.
    kept.orphan.note.serves = false;
    ::shutdown(kept.orphan.left.control.get(), SHUT_RDWR);
    Log::notice("event=instance.orphaned app=\"{}\" pid={} reason=\"{}\" action=\"finishes and ends\"",
                kept.orphan.note.app, kept.orphan.note.pid, why);
    deposit(kept.orphan);
}

/** For the next pool process. */
void Orphans::deposit(const Orphan &orphan) {
    std::vector<InstanceStore::Part> parts;
    for (const FormerClaims::Part &part : orphan.claims->parts()) {
        parts.push_back({part.claims.get(), part.cells});
    }
    const LeftInstance &left = orphan.left;
    instances_.put(orphan.note, {left.pidFd.get(), left.control.get(), left.output.get()}, parts);
}

// ----- Ends

std::optional<Orphans::Kept> Orphans::remove(const std::string &key) {
    const LockGuard guard(mutex_);
    const auto found = kept_.find(key);
    if (found == kept_.end()) {
        return std::nullopt;
    }
    std::optional<Kept> kept = std::move(found->second);
    kept_.erase(found);
    return kept;
}

/** On the loop. The channels to tell the children are unknown to this process. */
void Orphans::ended(const std::string &key) {
    const std::optional<Kept> kept = remove(key);
    if (!kept) {
        return;
    }
    kept->orphan.claims->noteDeath(kept->killed);
    Log::info("event=instance.exited app=\"{}\" pid={} orphaned=yes", kept->orphan.note.app, kept->orphan.note.pid);
    instances_.remove(kept->orphan.note.pid);
}

}  // namespace Passenger
