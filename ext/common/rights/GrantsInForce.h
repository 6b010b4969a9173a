#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/Mutex.h"
#include "io/AgentSettings.h"
#include "rights/Grants.h"

namespace Passenger {

/**
 * The Grants of httpd's present configuration, and for some minutes those of the one before. httpd
 * children that end still ask for applications of the earlier configuration.
 *
 * Owned by AppResources. Thread-safe.
 */
class GrantsInForce {
public:
    using Now = std::chrono::steady_clock::time_point;
    static constexpr std::chrono::minutes EARLIER_COUNT_FOR{10};

    /** @param text as for Grants @param earlier what counted before `now`; empty: the present ones.
     *  Equal texts change nothing */
    void use(const std::string &text, Now now, const std::string &earlier = "") EXCLUDES(mutex_);
    /** Those of the settings, with the earlier ones. */
    void use(const AgentSettings &settings) EXCLUDES(mutex_);
    /** Grants::refusal() of the present configuration, unless the earlier one has these options. */
    std::optional<std::string> refusal(const Options &options, Now now) const EXCLUDES(mutex_);
    /** Whether the present configuration has the application's name no more: Grants::hasName() of
     *  the earlier one alone. Does not block. */
    bool isRemoved(const Options &options, Now now) const EXCLUDES(mutex_);
    /** The grants that have these options, else the present ones. May block: follows links. */
    std::shared_ptr<const Grants> forOptions(const Options &options, Now now) const EXCLUDES(mutex_);

    /** Grants::hasOwner() of the present configuration, or of the earlier one. */
    bool hasOwner(const Options &options, Now now) const EXCLUDES(mutex_);

private:
    using Pair = std::pair<std::shared_ptr<const Grants>, std::shared_ptr<const Grants>>;
    /** The present grants, and the earlier ones or null. */
    Pair both(Now now) const EXCLUDES(mutex_);

    mutable Mutex mutex_{Locks::GRANTS};
    std::shared_ptr<const Grants> present_ GUARDED_BY(mutex_) = std::make_shared<Grants>();
    std::shared_ptr<const Grants> earlier_ GUARDED_BY(mutex_);
    Now changed_ GUARDED_BY(mutex_);
};

}  // namespace Passenger
