#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "base/Mutex.h"
#include "loop/Thread.h"

namespace Passenger {

/**
 * Runs what may block, each in a Boost thread of its own: spawning, ending preloaders. The
 * destructor waits for all of them, so it must not run on the event loop (doc/THREADING.md).
 * Thread-safe.
 */
class BackgroundThreads {
public:
    BackgroundThreads() = default;
    ~BackgroundThreads();
    BackgroundThreads(const BackgroundThreads &) = delete;
    BackgroundThreads &operator=(const BackgroundThreads &) = delete;

    /** Starts a thread. What `work` throws is logged. @throws boost::thread_resource_error */
    void run(const std::string &name, std::function<void()> work) EXCLUDES(mutex_);
    /** Keeps the object until all threads that run now have ended: they may use it. The last of
     *  them destroys it, without a lock; or this call does, if none runs. */
    void keep(std::shared_ptr<const void> object) EXCLUDES(mutex_);
    /** Destroys the object in a thread, since that may block. If no thread can be started now, the
     *  next one that runs destroys it after its work, or join() does.
     *  @throws boost::thread_resource_error; the object is destroyed later all the same */
    void endInThread(std::shared_ptr<const void> object) EXCLUDES(mutex_);
    /** Waits until no thread runs. Threads that are started meanwhile are waited for too. */
    void join() EXCLUDES(mutex_);

private:
    struct Worker {
        Thread thread;
        bool done = false;
    };

    /** The time between two calls of keep(). Each thread owns the era in which it began, and each
     *  era owns the next one. So an era lives until all its threads and those of earlier eras have
     *  ended. */
    struct Era {
        Era() = default;
        /** Destroys what follows step by step: a chain of many eras would need a deep stack. */
        ~Era();
        Era(const Era &) = delete;
        Era &operator=(const Era &) = delete;

        std::shared_ptr<Era> next;
        /** The object of keep() that ended this era. */
        std::shared_ptr<const void> kept;
    };

    Mutex mutex_{Locks::BACKGROUND_THREADS};
    std::shared_ptr<Era> era_ GUARDED_BY(mutex_) = std::make_shared<Era>();
    std::list<Worker> workers_ GUARDED_BY(mutex_);
    /** Objects that the next thread destroys. */
    std::vector<std::shared_ptr<const void>> ending_ GUARDED_BY(mutex_);

    void destroyEnding() EXCLUDES(mutex_);
};

}  // namespace Passenger
