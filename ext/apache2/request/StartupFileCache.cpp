#include "apache2/request/StartupFileCache.h"

#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <utility>

#include "base/NodePackage.h"

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
    return remember(&StartupFileCache::links_, path, now, targetOf);
}

std::string StartupFileCache::nodeStart(std::string_view folder, Clock::time_point now) {
    return remember(&StartupFileCache::nodeStarts_, folder, now, NodePackage::startupFile);
}

std::string StartupFileCache::packageProblem(std::string_view folder, Clock::time_point now) {
    return remember(&StartupFileCache::packageProblems_, folder, now, NodePackage::problem);
}

/** What `find` says of the path. The lock is not held meanwhile. */
std::string StartupFileCache::remember(Names<Link> StartupFileCache::*names, std::string_view path,
                                       Clock::time_point now, std::string (*find)(const std::string &)) {
    {
        LockGuard lock(mutex_);
        auto known = (this->*names).find(path);
        if (known != (this->*names).end() && now - known->second.lookedAt < MAX_AGE) {
            return known->second.target;
        }
    }
    std::string name(path);
    std::string target = find(name);
    LockGuard lock(mutex_);
    if ((this->*names).size() >= MAX_ENTRIES) {
        (this->*names).clear();
    }
    (this->*names)[std::move(name)] = Link{now, target};
    return target;
}

}  // namespace Passenger
