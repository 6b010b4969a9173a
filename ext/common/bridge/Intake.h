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
 * The receiving end of the Group's queue and, for sticky sessions, of the instance's own queue. It
 * says whether workers take requests. A waiting worker sleeps in the kernel, among all instances
 * of the application; a signal wakes it.
 *
 * Owned by the Instance; thread-safe. Workers take; other threads pause, resume and finish.
 */
class Intake {
public:
    /** A worker's place. It lives as long as the worker takes requests. */
    struct Seat {
        pthread_t thread{};
        bool taken = false;
        std::atomic<bool> reading{false};
    };

    /** Handles WAKE_SIGNAL. Call it once in a process, before there are threads. */
    static void prepareProcess();

    /**
     * @param own the instance's own queue, or none
     * @param workers the number of workers that take requests
     * @param idle called with the lock held, when the last worker of a paused intake becomes idle
     */
    Intake(FileDescriptor queue, FileDescriptor own, std::size_t workers, std::function<void()> idle);

    /**
     * Waits for the next message, which replaces the content of `buffer`.
     * @return its size; nothing: no message comes any more
     */
    std::optional<std::size_t> take(Seat &seat, std::span<char> buffer) EXCLUDES(mutex_);
    /** Workers finish their requests, and take no more until resume(). */
    void pause() EXCLUDES(mutex_);
    /**
     * @param own replaces the instance's own queue, unless it is empty
     * @return false: the intake was not paused, or it is finished
     */
    bool resume(FileDescriptor own) EXCLUDES(mutex_);
    /** Workers finish their requests, and take no more. */
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
