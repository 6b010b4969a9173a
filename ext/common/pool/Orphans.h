#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/FileDescriptor.h"
#include "base/Mutex.h"
#include "loop/DescriptorWatcher.h"
#include "loop/EventLoop.h"
#include "loop/Timer.h"
#include "pool/DescriptorStore.h"
#include "pool/FormerClaims.h"
#include "pool/InstanceNote.h"
#include "spawning/ProcessOutput.h"
#include "spawning/Spawner.h"

namespace Passenger {

/** An instance of a pool process that has ended. */
struct Orphan {
    /** The watchdog has its descriptors under this key. */
    std::string key;
    InstanceNote note;
    LeftInstance left;
    std::shared_ptr<const FormerClaims> claims;
};

/**
 * The instances of a pool process that has ended, as the watchdog has kept them. Their queues are
 * closed at once, and they finish the requests that they have. Those that served wait then until
 * this pool process takes them over, when a child asks for their application. Others are told to
 * end. Until then their output is forwarded. When one has ended, its claims are marked, so that
 * children stop waiting for it.
 *
 * Owned by the PoolContext. Thread-safe; its lock is taken after the pool's. Never blocks.
 */
class Orphans {
public:
    /** As SpawnerFactory::groupNamed(). */
    using FindGroup = std::function<AppGroupPtr(const std::string &app, const std::string &name)>;

    Orphans(EventLoop &loop, DescriptorStore &store, FindGroup findGroup);
    ~Orphans();
    Orphans(const Orphans &) = delete;
    Orphans &operator=(const Orphans &) = delete;

    /** Takes one entry over that the watchdog has kept. An invalid one is removed there. */
    void restore(const std::string &key, const std::string &note, std::vector<FileDescriptor> descriptors)
        EXCLUDES(mutex_);
    /** Those that are not taken over within this time are told to end; zero: never. */
    void wait(std::chrono::milliseconds time);

    /** How many of this application wait. */
    unsigned waiting(const std::string &app) const EXCLUDES(mutex_);
    /** RestartFiles::seen() before one of them was started; none: none waits. */
    std::optional<std::string> restartFile(const std::string &app) const EXCLUDES(mutex_);
    /** One of this application, for a take-over. Nothing: none waits. */
    std::optional<Orphan> take(const std::string &app) EXCLUDES(mutex_);
    /** It was not taken over. It is told to end. */
    void giveBack(Orphan orphan) EXCLUDES(mutex_);
    /** Tells those that wait to end until no more than `most` do. */
    void limit(unsigned most) EXCLUDES(mutex_);

private:
    struct Kept {
        Orphan orphan;
        bool waits = false;
        ProcessOutputPtr output;
        std::unique_ptr<DescriptorWatcher> watcher;
    };

    void restoreInstance(const std::string &key, const std::string &text, std::vector<FileDescriptor> descriptors);
    void keep(Orphan orphan, bool waits) EXCLUDES(mutex_);
    std::optional<Kept> remove(const std::string &key) EXCLUDES(mutex_);
    void ended(const std::string &key) EXCLUDES(mutex_);
    static void tellToEnd(Kept &kept, const char *why);

    EventLoop &loop_;
    DescriptorStore &store_;
    const FindGroup findGroup_;
    mutable Mutex mutex_{Locks::ORPHANS};
    /** By key. */
    std::map<std::string, Kept> kept_ GUARDED_BY(mutex_);
    Timer timer_;
};

}  // namespace Passenger
