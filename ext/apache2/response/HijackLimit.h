#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/Mutex.h"

namespace Passenger {

/**
 * Limits the connections that one application has taken over in this httpd child, since each
 * occupies a thread until its end: the other applications need threads, too.
 *
 * Owned by Child. Thread-safe.
 */
class HijackLimit {
public:
    /** A connection that counts, until this object ends. */
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
        friend class HijackLimit;
        Place(HijackLimit &limit, std::string app) : limit_(&limit), app_(std::move(app)) {}

        HijackLimit *limit_;
        std::string app_;
    };

    /** @param most for each application; 0: no limit */
    explicit HijackLimit(std::size_t most) noexcept : most_(most) {}

    std::size_t most() const noexcept {
        return most_;
    }
    /** Nothing: the application has taken over as many as it may. */
    std::optional<Place> take(const std::string &app) EXCLUDES(mutex_);

private:
    void giveBack(const std::string &app) EXCLUDES(mutex_);

    const std::size_t most_;
    Mutex mutex_{Locks::HIJACK_LIMIT};
    /** Connections by application; none is 0. */
    std::unordered_map<std::string, std::size_t> taken_ GUARDED_BY(mutex_);
};

}  // namespace Passenger
