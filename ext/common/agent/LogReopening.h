#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/Mutex.h"

namespace Passenger {

/**
 * Asks another process to open the log anew, and waits for its answer.
 *
 * Owned by the pool process's engine. Thread-safe; one thread at a time calls run().
 */
class LogReopening {
public:
    using Ask = std::function<void(const std::string &number)>;

    /** @param ask returns at once */
    explicit LogReopening(Ask ask);

    /** Blocks, for five seconds at most. @throws IOException: the log was not opened anew */
    void run() EXCLUDES(mutex_);
    /** The answer. @param error empty: it is open */
    void ended(const std::string &number, const std::string &error) EXCLUDES(mutex_);
    /** No answer will come: run() fails at once, from now on. */
    void cancel() EXCLUDES(mutex_);

private:
    std::string begin() EXCLUDES(mutex_);

    const Ask ask_;
    Mutex mutex_{Locks::WAITER};
    std::condition_variable changed_;
    /** The number of the last run(). */
    std::uint64_t number_ GUARDED_BY(mutex_) = 0;
    /** Its answer. */
    std::optional<std::string> error_ GUARDED_BY(mutex_);
    bool cancelled_ GUARDED_BY(mutex_) = false;
};

}  // namespace Passenger
