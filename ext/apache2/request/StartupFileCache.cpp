#include "apache2/request/StartupFileCache.h"

#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <utility>

namespace Passenger {

namespace {

std::string targetOf(const std::string &path) {
    char buffer[PATH_MAX];
    const ssize_t length = readlink(path.c_str(), buffer, sizeof(buffer));
    if (length <= 0 || static_cast<std::size_t>(length) == sizeof(buffer)) {
        return path;
    }
    std::string target(buffer, static_cast<std::size_t>(length));
    if (target.front() != '/') {
        target.insert(0, path, 0, path.rfind('/') + 1);
    }
    return target;
}

}  // namespace

int StartupFileCache::look(std::string_view path, Clock::time_point now) {
    {
        LockGuard lock(mutex_);
        auto known = entries_.find(path);
        if (known != entries_.end() && now - known->second.lookedAt < MAX_AGE) {
            return known->second.error;
        }
    }
    // The lock is not held: a file server that does not answer blocks only this request.
    std::string name(path);
    struct stat file {};
    int error = stat(name.c_str(), &file) == 0 ? 0 : errno;
    LockGuard lock(mutex_);
    if (entries_.size() >= MAX_ENTRIES) {
        entries_.clear();
    }
    entries_[std::move(name)] = Entry{now, error};
    return error;
}

std::string StartupFileCache::follow(std::string_view path, Clock::time_point now) {
    {
        LockGuard lock(mutex_);
        auto known = links_.find(path);
        if (known != links_.end() && now - known->second.lookedAt < MAX_AGE) {
            return known->second.target;
        }
    }
    std::string name(path);
    std::string target = targetOf(name);
    LockGuard lock(mutex_);
    if (links_.size() >= MAX_ENTRIES) {
        links_.clear();
    }
    links_[std::move(name)] = Link{now, target};
    return target;
}

}  // namespace Passenger
