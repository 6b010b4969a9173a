#pragma once

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>

#include "base/FileDescriptor.h"
#include "base/Mutex.h"

namespace Passenger::Bridge {

/**
 * The receiving end of the Group's queue, with the instance's own one where there is one (sticky sessions), and whether the workers take
 * requests from it. A worker that waits sleeps in the kernel, in the line of all instances of the application; a signal wakes it.
 *
 * Thread-safe. Workers take; others pause, resume and finish.
 */
class Intake {
public:
    /** A worker's place here. Lives as long as the worker takes. */
    struct Seat {
        pthread_t thread{};
        bool taken = false;
        std::atomic<bool> reading{false};
    };

    /** For WAKE_SIGNAL, once in a process, before there are threads. */
    static void prepareProcess();

    /** @param workers how many take from it  @param own the instance's own queue, or none
     *  @param idle called with the lock held when it is paused and the last worker is idle */
    Intake(FileDescriptor queue, FileDescriptor own, std::size_t workers, std::function<void()> idle);

    /** Waits for the next message, which replaces what is in `buffer`. @return its size; nothing: there is never one again */
    std::optional<std::size_t> take(Seat &seat, std::span<char> buffer) EXCLUDES(mutex_);
    /** Workers finish what they have, and take nothing more for now. */
    void pause() EXCLUDES(mutex_);
    /** @param own another queue of its own, instead of the one that it had; or none. False: nothing has changed */
    bool resume(FileDescriptor own) EXCLUDES(mutex_);
    /** Workers finish what they have, and that is all. */
    void finish() EXCLUDES(mutex_);

private:
    using Own = std::shared_ptr<const FileDescriptor>;

    bool awaitOpen(Seat &seat, Own &own) EXCLUDES(mutex_);
    ssize_t receive(const Own &own, std::span<char> buffer) const;
    void tellIfIdle() REQUIRES(mutex_);
    void wakeReaders() EXCLUDES(mutex_);

    const FileDescriptor queue_;
    const bool hasOwn_;
    const std::size_t workers_;
    const std::function<void()> tellIdle_;
    std::atomic<bool> open_{true};
    Mutex mutex_{Locks::BRIDGE_INTAKE};
    std::condition_variable changed_;
    Own own_ GUARDED_BY(mutex_);
    std::set<Seat *> seats_ GUARDED_BY(mutex_);
    std::size_t idle_ GUARDED_BY(mutex_) = 0;
    bool finished_ GUARDED_BY(mutex_) = false;
};

}  // namespace Passenger::Bridge
