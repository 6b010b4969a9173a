#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/Mutex.h"

namespace Passenger {

/**
 * Limits the threads of this httpd child that one application occupies for long in one way: by
 * connections that it has taken over (PassengerMaxHijackedConnections), or by slow clients for
 * which no file may grow (PassengerMaxSlowClients). The other applications need threads, too.
 *
 * Owned by Child. Thread-safe.
 */
class ThreadLimit {
public:
    /** A thread that counts, until this object ends. */
    class Place {
    public:
        Place(Place &&other) noexcept : limit_(std::exchange(other.limit_, nullptr)), app_(std::move(other.app_)) {}
        Place &operator=(Place &&) = delete;
        ~Place() {
            if (limit_ != nullptr) {
                limit_->giveBack(app_);
            }
        }

    private:
        friend class ThreadLimit;
        Place(ThreadLimit &limit, std::string app) : limit_(&limit), app_(std::move(app)) {}

        ThreadLimit *limit_;
        std::string app_;
    };

    /** @param most for each application; 0: no limit */
    explicit ThreadLimit(std::size_t most) noexcept : most_(most) {}

    std::size_t most() const noexcept { return most_; }
    /** Nothing: the application occupies as many as it may. */
    std::optional<Place> take(const std::string &app) EXCLUDES(mutex_);

private:
    void giveBack(const std::string &app) EXCLUDES(mutex_);

    const std::size_t most_;
    Mutex mutex_{Locks::THREAD_LIMIT};
    /** Threads by application; none is 0. */
    std::unordered_map<std::string, std::size_t> taken_ GUARDED_BY(mutex_);
};

}  // namespace Passenger
