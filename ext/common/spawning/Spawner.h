#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/Exceptions.h"
#include "base/FileDescriptor.h"
#include "base/FileRights.h"
#include "exchange/Options.h"
#include "io/Frame.h"
#include "spawning/ProcessOutput.h"
#include "spawning/SpawnReport.h"

namespace Passenger {

struct Origin;

/** A new instance, as a Spawner hands it over. It has loaded its application and serves nothing yet. */
struct SpawnResult {
    /** What the kernel says. 0: an instance in memory, without a process (DummySpawner). */
    pid_t pid = 0;
    FileDescriptor pidFd;
    /** Its control socket, our end; without one the instance does not pull from a queue. */
    FrameSocket control;
    /** Forwards what the instance prints. Null for instances in memory. */
    ProcessOutputPtr output;
    /** The pipe on which its parent tells its wait status, as a decimal number, when it has ended. None: nobody tells. */
    FileDescriptor waitStatus = FileDescriptor();
    /** The application runs in processes below this one, whose memory is the instance's, too. */
    bool hasDescendants = false;
    /** The preloader that it was forked from; the same for all that were. Null: none. */
    std::shared_ptr<const Origin> origin = nullptr;
    /** How it came so far: what a report has if it does not begin to serve. Null for instances in memory. */
    std::shared_ptr<SpawnReport> story = nullptr;
    /** Why it was spawned in another way than was asked for; empty: it was not. */
    std::string fallback = {};
};

/** An instance that has served for a while, so that a preloader can be made out of it. */
struct WarmInstance {
    pid_t pid = 0;
    std::shared_ptr<const Origin> origin;
    /** Sends a frame on its control socket; never blocks. @throws SpawnException (it serves no more) */
    std::function<void(const Frame &, const std::vector<int> &)> send;
};

/**
 * One way to make instances of one application. Made by SpawnerFactory, owned by a Group.
 *
 * All methods, the destructor included, may block while a process starts or ends: they run in
 * background threads only, never on the event loop, which must be running meanwhile
 * (doc/THREADING.md); there, spawn() and the destructor abort. Several threads may spawn() at once;
 * it is destroyed when none does.
 */
class Spawner {
public:
    using Deadline = std::chrono::steady_clock::time_point;

    virtual ~Spawner() = default;
    /** Makes an instance. @param options of the request that wants it; the environment variables in it count
     *  @throws SpawnException, with a report that says which step failed, why, and what the application printed. Nothing that was
     *  started for it is left then, daemons of an application that was loading included. */
    virtual SpawnResult spawn(const Options &options) = 0;
    /** Ends what is only there to make spawns fast. The next one starts it again. */
    virtual void rest() {}
    /** Has the instance, one of this Spawner's, fork what later spawns fork from: they share the memory that its requests have filled.
     *  @throws SpawnException, with a report: then everything is as before */
    virtual void refork(const Options &, const WarmInstance &) {
        throw SpawnException("this way of spawning has no preloader");
    }
    /** Makes all spawns under way, and later ones, fail soon. The only method that may be called from any thread, the event loop's too; never blocks. */
    virtual void cancel() = 0;
};

using SpawnerPtr = std::unique_ptr<Spawner>;

/** Chooses the Spawner for an application. Never blocks, may be called from the event loop. Outlives what it made. */
class SpawnerFactory {
public:
    virtual ~SpawnerFactory() = default;
    virtual SpawnerPtr create(const Options &options) = 0;
    /** Whether instances with these options pull their requests from a queue; in memory they do not. */
    virtual bool instancesPull(const Options &options) const {
        return options.spawnMethod != "dummy";
    }
    /** The rights with which to look at files of the application: its user's; none: our own. May block. @throws std::exception where its user
     *  cannot be found; then spawns fail, too */
    virtual std::optional<FileRights> rightsFor(const Options & /*options*/) const {
        return std::nullopt;
    }
    /** 0 while there is none. Never blocks. */
    virtual pid_t spawnServerPid() const = 0;
};

}  // namespace Passenger
