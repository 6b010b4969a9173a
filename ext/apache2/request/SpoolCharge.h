#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include "apache2/request/SpoolQuota.h"

namespace Passenger {

/**
 * The bytes of one spool file in the quota of its application. Counts them from the first one on,
 * and gives them back at its end. One thread at a time.
 */
class SpoolCharge {
public:
    /** @param app the application's name, which outlives this object. So does the quota */
    SpoolCharge(SpoolQuota &quota, std::string_view app) noexcept : quota_(&quota), app_(app) {}
    SpoolCharge(SpoolCharge &&other) noexcept
        : quota_(other.quota_), app_(other.app_), key_(other.key_), counted_(std::exchange(other.counted_, 0)) {}
    SpoolCharge &operator=(SpoolCharge &&) = delete;
    ~SpoolCharge() {
        if (counted_ > 0) {
            quota_->giveBack(key_, counted_);
        }
    }

    const SpoolQuota &quota() const noexcept { return *quota_; }
    /** Called before the file gets this size. @throws SpoolQuotaExceeded */
    void growTo(std::uint64_t size);

private:
    /** Bytes are counted in such steps, since each costs a look at the rows of all children. */
    static constexpr std::uint64_t STEP = 128 * 1024;

    SpoolQuota *quota_;
    std::string_view app_;
    /** 0: not asked for yet. */
    std::uint64_t key_ = 0;
    std::uint64_t counted_ = 0;
};

}  // namespace Passenger
