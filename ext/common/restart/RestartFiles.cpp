#include "restart/RestartFiles.h"

#include <cstddef>
#include <cstdio>
#include <utility>

#include <fmt/format.h>

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
    Stamp stamp{};
    if (seen && std::sscanf(seen->c_str(), "%ld.%ld", &stamp.modified.tv_sec, &stamp.modified.tv_nsec) == 2) {
        last_ = stamp;
    }
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
    last_ = begun_ ? known->second : std::nullopt;
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
    const std::optional<Stamp> now = look(RestartFile::RESTART, looked);
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
    return asked_ ? ASKED : last_ ? fmt::format("{}.{}", last_->modified.tv_sec, last_->modified.tv_nsec) : NO_FILE;
}

void RestartFiles::userMayDiffer() {
    const LockGuard guard(mutex_);
    lastChange_++;
}

std::uint64_t RestartFiles::lastChange() const {
    const LockGuard guard(mutex_);
    return lastChange_;
}

bool RestartFiles::knowsUser() const {
    const LockGuard guard(mutex_);
    return userOf_.has_value();
}

bool RestartFiles::needsUser() const {
    const LockGuard guard(mutex_);
    return userOf_ != lastChange_;
}

std::optional<RestartFiles::Stamp> RestartFiles::look(RestartFile file, const RestartFolder &folder) {
    const auto modified = Rights::ofThisProcess().modified(folder.path, file, folder.user);
    return modified ? std::optional(Stamp{*modified}) : std::nullopt;
}

bool RestartFiles::changed() {
    const RestartFolder looked = folder();
    const std::optional<Stamp> now = look(RestartFile::RESTART, looked);
    const LockGuard guard(mutex_);
    const bool asked = std::exchange(asked_, false);
    if (looked.path != folder_) {
        return asked;
    }
    if (!std::exchange(begun_, true)) {
        last_ = now;
    }
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
    return asked_ || !begun_ || times.alwaysRestart || (times.restart && Stamp{*times.restart} != last_);
}

bool RestartFiles::always() const {
    return look(RestartFile::ALWAYS_RESTART, folder()).has_value();
}

}  // namespace Passenger
