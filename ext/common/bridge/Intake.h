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
#include "bridge/Handover.h"

namespace Passenger::Bridge {

/**
 * Takes messages from the Group's queue and, for sticky sessions, from the instance's own queue. It
 * says whether workers take requests. A waiting worker sleeps in the kernel, among all instances
 * of the application; a signal wakes it.
 *
 * Owned by the Instance; thread-safe. Workers take; other threads pause, resume, replace and
 * finish.
 */
class Intake {
    using Own = std::shared_ptr<const FileDescriptor>;

public:
    /** A worker's place. It lives as long as the worker takes requests. */
    struct Seat {
        pthread_t thread{};
        std::atomic<bool> reading{false};
        /** Where the worker's last message came from. Null: the worker has not begun. */
        HandoverPtr handover{};
        Own own{};
        /** The queue has ended, and all of its messages are taken. */
        bool atEnd = false;
    };

    /** Handles WAKE_SIGNAL. Call it once in a process, before there are threads. */
    static void prepareProcess();

    /** @param idle called with the lock held, when the last worker of a paused intake becomes
     *  idle */
    Intake(HandoverPtr handover, std::function<void()> idle);

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
    /**
     * Another pool process serves. Workers use its handover as soon as the queue of the former one,
     * which has ended, is empty.
     */
    void replace(HandoverPtr handover) EXCLUDES(mutex_);
    /** Workers finish their requests, and take no more. */
    void finish() EXCLUDES(mutex_);

private:
    bool awaitOpen(Seat &seat) EXCLUDES(mutex_);
    bool available(const Seat &seat) const REQUIRES(mutex_);
    static ssize_t receive(const Seat &seat, std::span<char> buffer);
    void tellIfIdle() REQUIRES(mutex_);
    void wakeReaders() EXCLUDES(mutex_);

    const std::size_t workers_;
    const std::function<void()> tellIdle_;
    std::atomic<bool> open_;
    Mutex mutex_{Locks::BRIDGE_INTAKE};
    std::condition_variable changed_;
    HandoverPtr handover_ GUARDED_BY(mutex_);
    /** Of the handover, or a later one from resume(). */
    Own own_ GUARDED_BY(mutex_);
    std::set<Seat *> seats_ GUARDED_BY(mutex_);
    std::size_t idle_ GUARDED_BY(mutex_) = 0;
    bool finished_ GUARDED_BY(mutex_) = false;
};

}  // namespace Passenger::Bridge
