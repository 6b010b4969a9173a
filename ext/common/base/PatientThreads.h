#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

namespace Passenger {

/**
 * Threads for work that may wait for as long as another process likes: for a lock of the kernel, or
 * for a file system that does not answer. Nobody waits for the threads, and no signal ends such a
 * wait.
 *
 * Work has a key, such as a user. Work with one key occupies a part of the threads only, so it
 * holds up no other work. Thread-safe; may be called with any lock held.
 */
class PatientThreads {
public:
    static constexpr std::chrono::seconds SOON{1};
    static constexpr std::size_t MANY = 512;
    using Key = std::uint64_t;

    /**
     * Starts no thread before the first run(). Where none can be started, heldUp() tries again.
     * @param name 15 characters at most
     * @param most threads at once
     * @param idle a thread without work ends after this time; none: it stays
     */
    PatientThreads(const char *name, std::size_t most, std::optional<std::chrono::milliseconds> idle = std::nullopt);
    /** Does not wait: the threads end when they have done what there is. */
    ~PatientThreads();
    PatientThreads(const PatientThreads &) = delete;
    PatientThreads &operator=(const PatientThreads &) = delete;

    /**
     * Has a thread do the work soon: when one is free. Never waits.
     * @param mostOfKey threads at once that do work with this key. With 1, one piece of work is
     *     done after the other, in the order of the calls
     * @param work must not throw
     * @return false: there is no memory, and the work is not done
     */
    bool run(Key key, std::size_t mostOfKey, std::function<void()> work) noexcept;
    /** run() for work that the caller asks for again. @return false: no thread could be started,
     *  or there is no memory, and the work is not done */
    bool tryRun(Key key, std::size_t mostOfKey, std::function<void()> work) noexcept;
    /** The pieces of work with this key that are not done yet. 0: they are fewer than `many`, and
     *  none of them has waited for a thread for SOON. */
    std::size_t heldUp(Key key, std::size_t many = MANY) const noexcept;
    /** Whether some work with this key is not done yet. */
    bool has(Key key) const noexcept;
    /** Waits until there is no work, but for `time` at most. */
    void await(std::chrono::milliseconds time) const;
    /** The threads that there are now. */
    std::size_t threads() const;

private:
    struct State;

    /** The threads share it, and may outlive this object. */
    const std::shared_ptr<State> state_;
};

}  // namespace Passenger
