#include "restart/RestartFiles.h"

#include <utility>

namespace Passenger {

RestartFiles::RestartFiles(const std::string &appRoot, const std::string &restartDir)
    : folder_(restartDir.starts_with('/') ? restartDir : appRoot + "/" + restartDir) {}

RestartFolder RestartFiles::folder() const {
    const LockGuard guard(mutex_);
    return {folder_, rights_};
}

void RestartFiles::begin(const std::optional<FileRights> &rights) {
    const LockGuard guard(mutex_);
    knowsRights_ = true;
    rights_ = rights;
    if (!begun_) {
        last_ = look(RestartFile::RESTART, rights_);
        begun_ = true;
    }
}

void RestartFiles::beginUnseen() {
    const LockGuard guard(mutex_);
    begun_ = true;
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
    const LockGuard guard(mutex_);
    const std::optional<Stamp> now = look(RestartFile::RESTART, rights_);
    if (!std::exchange(begun_, true)) {
        last_ = now;
    }
    if (!now || now == last_) {
        // A removed file does not request a restart. If it reappears with the same time, it does
        // not either.
        return false;
    }
    last_ = now;
    return true;
}

bool RestartFiles::always() const {
    return look(RestartFile::ALWAYS_RESTART, folder().rights).has_value();
}

}  // namespace Passenger
