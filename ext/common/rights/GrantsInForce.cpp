#include "rights/GrantsInForce.h"

#include <utility>

namespace Passenger {

void GrantsInForce::use(const AgentSettings &settings) {
    const bool changed = settings.grantsChanged > 0;
    use(settings.grants, changed ? Now(std::chrono::seconds(settings.grantsChanged)) : std::chrono::steady_clock::now(),
        settings.earlierGrants);
}

void GrantsInForce::use(const std::string &text, Now now, const std::string &earlier) {
    std::shared_ptr<const Grants> next;
    std::shared_ptr<const Grants> before;
    {
        const LockGuard guard(mutex_);
        if (text == present_->text() && (earlier.empty() || (earlier_ && earlier == earlier_->text()))) {
            return;
        }
        next = text == present_->text() ? present_ : nullptr;
        // Until the first settings come, no process can be started.
        before = present_->everything() || (!earlier.empty() && earlier != present_->text()) ? nullptr : present_;
    }
    if (!next) {
        next = std::make_shared<const Grants>(text);
    }
    if (!before && !earlier.empty()) {
        before = std::make_shared<const Grants>(earlier);
    }
    const LockGuard guard(mutex_);
    earlier_ = std::move(before);
    present_ = std::move(next);
    changed_ = now;
}

GrantsInForce::Pair GrantsInForce::both(Now now) const {
    const LockGuard guard(mutex_);
    return {present_, now - changed_ < EARLIER_COUNT_FOR ? earlier_ : nullptr};
}

std::optional<std::string> GrantsInForce::refusal(const Options &options, Now now) const {
    const auto [present, earlier] = both(now);
    auto refusal = present->refusal(options);
    return refusal && earlier && !earlier->refusal(options) ? std::nullopt : refusal;
}

bool GrantsInForce::isRemoved(const Options &options, Now now) const {
    const auto [present, earlier] = both(now);
    return earlier && !present->hasName(options) && earlier->hasName(options);
}

std::shared_ptr<const Grants> GrantsInForce::forOptions(const Options &options, Now now) const {
    const auto [present, earlier] = both(now);
    const auto have = [&](const Grants &grants) {
        return !grants.startRefusal(options) && grants.coversFolder(options) && !grants.limitRefusal(options);
    };
    return earlier && !have(*present) && have(*earlier) ? earlier : present;
}

bool GrantsInForce::hasOwner(const Options &options, Now now) const {
    const auto [present, earlier] = both(now);
    return present->hasOwner(options) || (earlier && earlier->hasOwner(options));
}

}  // namespace Passenger
