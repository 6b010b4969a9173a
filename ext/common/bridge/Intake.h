#pragma once

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "base/FileDescriptor.h"
#include "base/Mutex.h"
#include "bridge/Handover.h"

namespace Passenger::Bridge {

/**
 * Takes messages from the Group's queue and, for sticky sessions, from the instance's own queue. It
 * says whether workers take requests. A waiting worker sleeps in the kernel, among all instances
 * of the application; a signal wakes it.
 *
 * There are as many workers as there were requests at once, and up to SPARE that wait in the
 * kernel, the readers. A worker that is one too many there is parked. When the last reader has
 * taken a message, a parked or a new worker follows. Each worker keeps its number, and so its cell,
 * to the end of the process.
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
        /** Wakes the worker where it waits in the Intake. */
        std::condition_variable changed{};
        /** The worker counts among the readers, and has not come to read yet. So does a new one. */
        bool called = true;
        /** The worker has a message, and has not asked for the next one. */
        bool busy = false;
    };

    /** Workers that wait for messages at once. The kernel gives a message to the one that waits
     *  longest: with many of an instance in a row it would get many messages in a row. */
    static constexpr int SPARE = 8;

    /** Handles WAKE_SIGNAL. Call it once in a process, before there are threads. */
    static void prepareProcess();

    /**
     * Starts the worker of that number, which calls take(). No other one has the number. False: it
     * cannot be started.
     */
    using Start = std::function<bool(std::uint32_t index)>;

    /**
     * @param idle called with the lock held, when the last worker of a paused intake becomes idle
     * @param start called by workers, without the lock
     * @param unstarted called without the lock after a worker could not be started: startAgain()
     *     is due a moment later
     */
    Intake(
        HandoverPtr handover, std::function<void()> idle, Start start, std::function<void()> unstarted = [] {});

    /** Starts a worker if none waits for messages. The system may allow another thread by now. */
    void startAgain() EXCLUDES(mutex_) {
        callAnother();
    }

    /** Starts the first workers. Call it once. @throws SystemException: not even one was started */
    void begin() EXCLUDES(mutex_);

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
    bool mayRead(const Seat &seat) const REQUIRES(mutex_);
    void callAnother() EXCLUDES(mutex_);
    void startOne(std::uint32_t index) EXCLUDES(mutex_);
    void wakeAll() REQUIRES(mutex_);
    bool available(const Seat &seat) const REQUIRES(mutex_);
    ssize_t receive(const Seat &seat, std::span<char> buffer) const;
    void letOthersTake() const;
    void tellIfIdle() REQUIRES(mutex_);
    void wakeReaders() EXCLUDES(mutex_);

    const std::uint32_t mostWorkers_;
    const std::function<void()> tellIdle_;
    const Start start_;
    const std::function<void()> unstarted_;
    std::atomic<bool> open_;
    /** Workers that wait for messages, or are about to. */
    std::atomic<int> readers_{0};
    /** Workers with a message. */
    std::atomic<unsigned> busy_{0};
    Mutex mutex_{Locks::BRIDGE_INTAKE};
    /** Smaller numbers are given to workers, or among failed_. */
    std::uint32_t nextWorker_ GUARDED_BY(mutex_) = 0;
    /** Numbers of workers that could not be started. */
    std::vector<std::uint32_t> failed_ GUARDED_BY(mutex_);
    /** Those that could be called: they wait in awaitOpen(). The last one is called first. */
    std::vector<Seat *> parked_ GUARDED_BY(mutex_);
    HandoverPtr handover_ GUARDED_BY(mutex_);
    /** Of the handover, or a later one from resume(). */
    Own own_ GUARDED_BY(mutex_);
    std::set<Seat *> seats_ GUARDED_BY(mutex_);
    std::size_t idle_ GUARDED_BY(mutex_) = 0;
    bool finished_ GUARDED_BY(mutex_) = false;
};

}  // namespace Passenger::Bridge
