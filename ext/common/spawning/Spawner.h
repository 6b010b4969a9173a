#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/Exceptions.h"
#include "base/FileDescriptor.h"
#include "base/FileRights.h"
#include "exchange/Options.h"
#include "io/Frame.h"
#include "spawning/AppGroup.h"
#include "spawning/CancelSwitch.h"
#include "spawning/ProcessOutput.h"
#include "spawning/SpawnReport.h"

namespace Passenger {

struct Origin;

/**
 * A new instance from a Spawner. The instance has loaded its application and does not serve yet.
 */
struct SpawnResult {
    /** The pid that the kernel tells. 0: an instance in memory, without a process (in tests). */
    pid_t pid = 0;
    FileDescriptor pidFd;
    /**
     * The agent's end of the control socket. Without it the instance does not receive from a queue.
     */
    FrameSocket control;
    /** Forwards the instance's output. Null for instances in memory. */
    ProcessOutputPtr output;
    /**
     * The pipe on which the instance's parent writes its wait status as a decimal number. None: the
     * status stays unknown.
     */
    FileDescriptor waitStatus = FileDescriptor();
    /**
     * The application runs in descendants of this process, whose memory counts as the instance's.
     */
    bool hasDescendants = false;
    /** The process has said that its application is ASGI, which Options::appType need not say. */
    bool isAsgi = false;
    /**
     * The preloader that the instance was forked from; the same for all its instances. Null: none.
     */
    std::shared_ptr<const Origin> origin = nullptr;
    /** The application's control group. Null: none. */
    AppGroupPtr group = nullptr;
    /**
     * The spawn so far, for a report if the instance does not begin to serve. Null for instances in
     * memory.
     */
    std::shared_ptr<SpawnReport> report = nullptr;
};

/** A serving instance of a pool process that has ended. */
struct LeftInstance {
    pid_t pid = 0;
    FileDescriptor pidFd{};
    /** The agent's end of the control socket. */
    FileDescriptor control{};
    /** The reading end of the pipe for the instance's output. */
    FileDescriptor output{};
    /** See SpawnResult::hasDescendants. */
    bool hasDescendants = false;
    /** See SpawnResult::isAsgi. */
    bool isAsgi = false;
    AppGroupPtr group{};
};

/** An instance that has served for some time, from which a preloader can be made. */
struct WarmInstance {
    pid_t pid = 0;
    std::shared_ptr<const Origin> origin;
    /**
     * Sends a frame on its control socket; never blocks.
     * @throws SpawnException if the instance no longer serves
     */
    std::function<void(const Frame &, const std::vector<int> &)> send;
    AppGroupPtr group = nullptr;
};

/** The files of the application are of another version, and no preloader can fork an instance of
 *  this one. */
class NotLoadedException : public SpawnException {
public:
    NotLoadedException() : NotLoadedException("the files have changed, and no preloader has this version loaded") {}
    explicit NotLoadedException(const std::string &why) : SpawnException(why) {}
};

/**
 * One way to start instances of one version of an application. Made by SpawnerFactory, owned by a
 * Group.
 *
 * All methods, the destructor included, may block while a process starts or ends. So they run in
 * background threads only, while the event loop runs (doc/THREADING.md). On the event loop spawn()
 * and the destructor abort. Several threads may call spawn() at once. The owner destroys the object
 * when no thread uses it.
 */
class Spawner {
public:
    using Deadline = std::chrono::steady_clock::time_point;

    virtual ~Spawner() = default;
    /**
     * Makes an instance.
     * @param options of the request that needs the instance, with its environment variables
     * @throws NotLoadedException after filesChanged(); daemons may be left that the application has
     *     started, if the files changed during the load
     * @throws SpawnException, with a report that names the failed step, the reason and the
     *     application's output. No process that was started for the instance is left then, also no
     *     daemon of the application.
     */
    virtual SpawnResult spawn(const Options &options) = 0;
    /**
     * Takes an instance over that serves already. It must be a process that the agent has started,
     * of the application's user.
     * @throws std::exception if it is not; the instance stays as it is
     */
    virtual SpawnResult adopt(const Options &, const LeftInstance &) {
        throw SpawnException("this spawn method makes no processes");
    }
    /** The application's files are of another version from now on, for good. spawn() loads nothing
     *  any more; it forks from what is loaded. A load that has begun gives nothing, either: it may
     *  have read the new files. Any thread may call this method; it never blocks. */
    void filesChanged() noexcept { filesChanged_ = true; }
    /** Whether filesChanged() was called. */
    bool loadsNothing() const noexcept { return filesChanged_; }
    /** Looks whether the files have changed unseen so far; filesChanged() or cancel() is called
     *  then. @param options of the start */
    virtual void lookForChanges(const Options &) noexcept {}
    /** Ends the processes that only make spawns faster. The next spawn starts them again. */
    virtual void rest() {}
    /**
     * Lets an instance of this Spawner fork the process from which later spawns fork. Later
     * instances share the memory that the instance's requests have filled.
     * @return that process
     * @throws SpawnException, with a report; nothing has changed then
     */
    virtual std::shared_ptr<const Origin> refork(const Options &, const WarmInstance &) {
        throw SpawnException("this spawn method has no preloader");
    }
    /**
     * Makes all present and later spawns fail soon, and ends the waits for instances that were told
     * to serve. Any thread may call this method, also the event loop's; it never blocks.
     */
    virtual void cancel() { cancel_.cancel(); }
    /** Cancelled by cancel(). Any thread may use it. */
    CancelSwitch &cancelSwitch() noexcept { return cancel_; }

protected:
    /** Called before the files are read. @throws NotLoadedException */
    void checkMayLoad() const {
        if (loadsNothing()) {
            throw NotLoadedException();
        }
    }
    /**
     * Loads the application. Neither what was loaded nor a failure counts if the files have changed
     * before the end: it is unknown of which version it is.
     * @param load gives the result, or throws a SpawnException
     * @throws NotLoadedException
     */
    template <typename Load> auto loadBy(const Options &options, Load load) -> decltype(load()) {
        lookForChanges(options);
        checkMayLoad();
        std::optional<decltype(load())> loaded;
        std::optional<SpawnException> failure;
        try {
            loaded.emplace(load());
        } catch (const SpawnException &error) {
            failure = error;
        }
        lookForChanges(options);
        checkMayLoad();
        if (failure) {
            throw *failure;
        }
        return std::move(*loaded);
    }

private:
    CancelSwitch cancel_;
    std::atomic<bool> filesChanged_{false};
};

using SpawnerPtr = std::unique_ptr<Spawner>;

}  // namespace Passenger
