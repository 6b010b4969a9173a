#include "restart/RestartFiles.h"

#include <sys/stat.h>

#include <utility>

namespace Passenger {

RestartFiles::RestartFiles(const std::string &appRoot, const std::string &restartDir)
    : folder_(restartDir.starts_with('/') ? restartDir : appRoot + "/" + restartDir),
      restartFile_(folder_ + "/" + FILE_NAME),
      alwaysFile_(folder_ + "/" + ALWAYS_FILE_NAME) {}

RestartFolder RestartFiles::folder() const {
    const LockGuard guard(mutex_);
    return {folder_, rights_};
}

void RestartFiles::begin(const std::optional<FileRights> &rights) {
    const LockGuard guard(mutex_);
    knowsRights_ = true;
    rights_ = rights;
    if (!begun_) {
        last_ = look(restartFile_, rights_);
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

std::optional<RestartFiles::Stamp> RestartFiles::look(const std::string &file,
                                                      const std::optional<FileRights> &rights) {
    std::optional<AsUser> user;
    if (rights) {
        user.emplace(*rights);
    }
    struct stat status {};
    if (::stat(file.c_str(), &status) != 0) {
        return std::nullopt;
    }
    return Stamp{status.st_mtim};
}

bool RestartFiles::changed() {
    const LockGuard guard(mutex_);
    const std::optional<Stamp> now = look(restartFile_, rights_);
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
    return look(alwaysFile_, folder().rights).has_value();
}

}  // namespace Passenger
