#include "restart/RestartFiles.h"

#include <cstddef>
#include <utility>

#include "base/Exceptions.h"

namespace Passenger {

namespace {

constexpr const char *NO_FILE = "-";
/** An application has few folders, one after the other or by places that share its name. */
constexpr std::size_t MOST_FOLDERS = 16;

std::string folderOf(const std::string &appRoot, const std::string &restartDir) {
    return restartDir.starts_with('/') ? restartDir : appRoot + "/" + restartDir;
}

}  // namespace

RestartFiles::RestartFiles(const std::string &appRoot, const std::string &restartDir,
                           const std::optional<std::string> &seen)
    : folder_(folderOf(appRoot, restartDir)), asked_(seen == ASKED) {
    begun_ = seen && !asked_;
    last_ = begun_ && seen != NO_FILE ? *seen : "";
}

void RestartFiles::follow(const std::string &appRoot, const std::string &restartDir) {
    std::string folder = folderOf(appRoot, restartDir);
    const LockGuard guard(mutex_);
    if (folder == folder_) {
        return;
    }
    if (earlier_.size() >= MOST_FOLDERS) {
        earlier_.clear();
    }
    if (begun_) {
        earlier_[folder_] = last_;
    }
    const auto known = earlier_.find(folder);
    begun_ = known != earlier_.end();
    last_ = begun_ ? known->second : "";
    folder_ = std::move(folder);
}

RestartFolder RestartFiles::folder() const {
    const LockGuard guard(mutex_);
    return {folder_, user_};
}

void RestartFiles::begin(const RunAs &user, std::uint64_t change) {
    RestartFolder looked;
    {
        const LockGuard guard(mutex_);
        if (!userOf_ || change >= *userOf_) {
            user_ = user;
            userOf_ = change;
        }
        if (begun_) {
            return;
        }
        looked = {folder_, user_};
    }
    const std::string now = look(looked).restart;
    const LockGuard guard(mutex_);
    if (looked.path == folder_ && !std::exchange(begun_, true)) {
        last_ = now;
    }
}

void RestartFiles::beginUnseen() {
    const LockGuard guard(mutex_);
    begun_ = true;
}

std::string RestartFiles::seen() const {
    const LockGuard guard(mutex_);
    return asked_ ? ASKED : last_.empty() ? NO_FILE : last_;
}

void RestartFiles::userMayDiffer() {
    const LockGuard guard(mutex_);
    lastChange_++;
}

std::uint64_t RestartFiles::lastChange() const {
    const LockGuard guard(mutex_);
    return lastChange_;
}

bool RestartFiles::isFollowed() const {
    const LockGuard guard(mutex_);
    return userOf_ || begun_ || asked_ || !earlier_.empty();
}

bool RestartFiles::knowsUser() const {
    const LockGuard guard(mutex_);
    return userOf_.has_value();
}

bool RestartFiles::needsUser() const {
    const LockGuard guard(mutex_);
    return userOf_ != lastChange_;
}

RestartTimes RestartFiles::look(const RestartFolder &folder) {
    const auto times = Rights::ofThisProcess().modified({{{folder.path}, folder.user}}).at(0);
    if (!times) {
        throw IOException("the restart files in " + folder.path + " cannot be looked at");
    }
    return *times;
}

bool RestartFiles::changed() {
    const RestartFolder looked = folder();
    const std::string now = look(looked).restart;
    const LockGuard guard(mutex_);
    const bool asked = std::exchange(asked_, false);
    if (looked.path != folder_) {
        return asked;
    }
    if (!std::exchange(begun_, true)) {
        last_ = now;
    }
    if (now.empty() || now == last_) {
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
    return asked_ || !begun_ || !times.alwaysRestart.empty() || (!times.restart.empty() && times.restart != last_);
}

bool RestartFiles::always() const {
    return !look(folder()).alwaysRestart.empty();
}

}  // namespace Passenger
