#include "pool/Orphans.h"

#include <sys/socket.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "base/SystemClock.h"
#include "exchange/Options.h"
#include "log/Log.h"
#include "spawning/OutputLimit.h"

namespace Passenger {

namespace {

/** Before the descriptors of the claims. */
constexpr std::size_t PROCESS_DESCRIPTORS = 3;

}  // namespace

Orphans::Orphans(EventLoop &loop, DescriptorStore &store, FindGroup findGroup)
    : loop_(loop), store_(store), findGroup_(std::move(findGroup)), timer_(loop, [this] { limit(0); }) {}

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
    if (key.starts_with("instance:") && descriptors.size() > PROCESS_DESCRIPTORS) {
        restoreInstance(key, note, std::move(descriptors));
        return;
    }
    if (key.starts_with("queue:") && !descriptors.empty()) {
        Log::info("event=queue.closed app=\"{}\" reason=\"the pool process was replaced\"", note);
        ::shutdown(descriptors.front().get(), SHUT_WR);
    }
    store_.remove(key);
}

void Orphans::restoreInstance(const std::string &key, const std::string &text,
                              std::vector<FileDescriptor> descriptors) {
    Orphan orphan{.key = key, .note = {}, .left = {}, .claims = nullptr};
    try {
        orphan.note = InstanceNote::parse(text);
    } catch (const std::exception &error) {
        Log::error("event=instance.not_restored error=\"{}\"", error.what());
        ::shutdown(descriptors[1].get(), SHUT_RDWR);
        store_.remove(key);
        return;
    }
    const InstanceNote &note = orphan.note;
    orphan.left = {.pid = note.pid,
                   .pidFd = std::move(descriptors[0]),
                   .control = std::move(descriptors[1]),
                   .output = std::move(descriptors[2]),
                   .hasDescendants = note.hasDescendants,
                   .group = note.group.empty() ? nullptr : findGroup_(note.app, note.group)};
    auto claims = std::make_shared<FormerClaims>();
    const std::size_t parts = std::min(note.cells.size(), descriptors.size() - PROCESS_DESCRIPTORS);
    for (std::size_t i = 0; i < parts; i++) {
        claims->add({std::move(descriptors[PROCESS_DESCRIPTORS + i]), note.cells[i]});
    }
    orphan.claims = std::move(claims);
    const bool waits = note.serves;
    keep(std::move(orphan), waits);
}

void Orphans::wait(std::chrono::milliseconds time) {
    if (time > std::chrono::milliseconds(0)) {
        timer_.start(time);
    }
}

/** Its output and its end are looked after here from now on. */
void Orphans::keep(Orphan orphan, bool waits) {
    const std::string key = orphan.key;
    // PassengerMaxLogLinesPerSecond of the application is known once a child asks for it.
    auto limit = std::make_shared<OutputLimit>(loop_, SystemClock::instance(), orphan.note.app);
    limit->set(Options().maxLogLines);
    auto output =
        std::make_shared<ProcessOutput>(loop_, orphan.left.output.duplicate(), OutputSink(), std::move(limit));
    output->setPid(orphan.note.pid);
    const int pidFd = orphan.left.pidFd.get();
    Kept kept{std::move(orphan), waits, std::move(output), nullptr};
    if (!waits) {
        tellToEnd(kept, "it is not needed any more");
    }
    {
        const LockGuard guard(mutex_);
        kept_.insert_or_assign(key, std::move(kept));
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

unsigned Orphans::waiting(const std::string &app) const {
    const LockGuard guard(mutex_);
    return static_cast<unsigned>(std::count_if(kept_.begin(), kept_.end(), [&](const auto &each) {
        return each.second.waits && each.second.orphan.note.app == app;
    }));
}

std::optional<std::string> Orphans::restartFile(const std::string &app) const {
    const LockGuard guard(mutex_);
    for (const auto &[key, kept] : kept_) {
        if (kept.waits && kept.orphan.note.app == app) {
            return kept.orphan.note.restartFile;
        }
    }
    return std::nullopt;
}

std::optional<Orphan> Orphans::take(const std::string &app) {
    std::optional<Kept> kept;
    {
        const LockGuard guard(mutex_);
        const auto found = std::find_if(kept_.begin(), kept_.end(), [&](const auto &each) {
            return each.second.waits && each.second.orphan.note.app == app;
        });
        if (found == kept_.end()) {
            return std::nullopt;
        }
        kept = std::move(found->second);
        kept_.erase(found);
    }
    // Without the lock: the watcher's callback takes it.
    return std::move(kept->orphan);
}

void Orphans::giveBack(Orphan orphan) {
    keep(std::move(orphan), false);
}

void Orphans::limit(unsigned most) {
    const LockGuard guard(mutex_);
    auto waiting = static_cast<unsigned>(
        std::count_if(kept_.begin(), kept_.end(), [](const auto &each) { return each.second.waits; }));
    for (auto &[key, kept] : kept_) {
        if (kept.waits && waiting > most) {
            tellToEnd(kept, "no child has asked for its application");
            waiting--;
        }
    }
}

/**
 * The end of its queue is not enough: the instance may wait for a channel that no process can send
 * any more. The watchdog has a copy of the socket.
 */
void Orphans::tellToEnd(Kept &kept, const char *why) {
    kept.waits = false;
    ::shutdown(kept.orphan.left.control.get(), SHUT_RDWR);
    Log::notice("event=instance.orphaned app=\"{}\" pid={} reason=\"{}\" action=\"finishes and ends\"",
                kept.orphan.note.app, kept.orphan.note.pid, why);
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
    kept->orphan.claims->noteDeath();
    Log::info("event=instance.exited app=\"{}\" pid={} orphaned=yes", kept->orphan.note.app, kept->orphan.note.pid);
    store_.remove(key);
}

}  // namespace Passenger
