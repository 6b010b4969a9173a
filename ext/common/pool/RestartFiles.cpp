#include "pool/RestartFiles.h"

#include <sys/stat.h>

namespace Passenger {

RestartFiles::RestartFiles(const std::string &appRoot, const std::string &restartDir)
    : folder_(restartDir.starts_with('/') ? restartDir : appRoot + "/" + restartDir),
      restartFile_(folder_ + "/" + FILE_NAME),
      alwaysFile_(folder_ + "/" + ALWAYS_FILE_NAME) {}

void RestartFiles::begin() {
    const LockGuard guard(mutex_);
    if (!begun_) {
        begun_ = true;
        last_ = look();
    }
}

std::optional<RestartFiles::Stamp> RestartFiles::look() const {
    struct stat status {};
    if (stat(restartFile_.c_str(), &status) != 0) {
        return std::nullopt;
    }
    return Stamp{status.st_mtim};
}

bool RestartFiles::changed() {
    begin();
    const LockGuard guard(mutex_);
    const std::optional<Stamp> now = look();
    if (!now || now == last_) {
        // A file that is gone asks for nothing; when it comes back with the same time, neither.
        return false;
    }
    last_ = now;
    return true;
}

bool RestartFiles::always() const {
    struct stat status {};
    return stat(alwaysFile_.c_str(), &status) == 0;
}

}  // namespace Passenger
