#include "restart/RestartFiles.h"

#include <cstdio>
#include <utility>

#include <fmt/format.h>

namespace Passenger {

namespace {

constexpr const char *NO_FILE = "-";

}  // namespace

RestartFiles::RestartFiles(const std::string &appRoot, const std::string &restartDir,
                           const std::optional<std::string> &seen)
    : folder_(restartDir.starts_with('/') ? restartDir : appRoot + "/" + restartDir), asked_(seen == ASKED) {
    begun_ = seen && !asked_;
    Stamp stamp{};
    if (seen && std::sscanf(seen->c_str(), "%ld.%ld", &stamp.modified.tv_sec, &stamp.modified.tv_nsec) == 2) {
        last_ = stamp;
    }
}

RestartFolder RestartFiles::folder() const {
    const LockGuard guard(mutex_);
    return {folder_, rights_};
}

void RestartFiles::begin(const std::optional<FileRights> &rights) {
    {
        const LockGuard guard(mutex_);
        knowsRights_ = true;
        rights_ = rights;
        if (begun_) {
            return;
        }
    }
    const std::optional<Stamp> now = look(RestartFile::RESTART, rights);
    const LockGuard guard(mutex_);
    if (!std::exchange(begun_, true)) {
        last_ = now;
    }
}

void RestartFiles::beginUnseen() {
    const LockGuard guard(mutex_);
    begun_ = true;
}

std::string RestartFiles::seen() const {
    const LockGuard guard(mutex_);
    return asked_ ? ASKED : last_ ? fmt::format("{}.{}", last_->modified.tv_sec, last_->modified.tv_nsec) : NO_FILE;
}

bool RestartFiles::knowsRights() const {
    const LockGuard guard(mutex_);
    return knowsRights_;
}

std::optional<RestartFiles::Stamp> RestartFiles::look(RestartFile file, const std::optional<FileRights> &rights) const {
    const auto modified = Rights::ofThisProcess().modified(folder_, file, rights);
    return modified ? std::optional(Stamp{*modified}) : std::nullopt;
}

bool RestartFiles::changed() {
    const std::optional<Stamp> now = look(RestartFile::RESTART, folder().rights);
    const LockGuard guard(mutex_);
    if (!std::exchange(begun_, true)) {
        last_ = now;
    }
    const bool asked = std::exchange(asked_, false);
    if (!now || now == last_) {
        // A removed file does not request a restart. If it reappears with the same time, it does
        // not either.
        return asked;
    }
    last_ = now;
    return true;
}

void RestartFiles::askAgain() {
    const LockGuard guard(mutex_);
    asked_ = true;
}

bool RestartFiles::mayAsk(const RestartTimes &times) const {
    const LockGuard guard(mutex_);
    return asked_ || times.alwaysRestart || (times.restart && Stamp{*times.restart} != last_);
}

bool RestartFiles::always() const {
    return look(RestartFile::ALWAYS_RESTART, folder().rights).has_value();
}

}  // namespace Passenger
