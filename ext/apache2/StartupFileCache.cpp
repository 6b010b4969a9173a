#include "StartupFileCache.h"

#include <sys/stat.h>

namespace Passenger {

int StartupFileCache::look(const std::string &path, Clock::time_point now) {
    {
        LockGuard lock(mutex_);
        auto known = entries_.find(path);
        if (known != entries_.end() && now - known->second.lookedAt < MAX_AGE) {
            return known->second.error;
        }
    }
    // Without the lock: a file server that does not answer holds only who asks for it.
    struct stat file {};
    int error = stat(path.c_str(), &file) == 0 ? 0 : errno;
    LockGuard lock(mutex_);
    if (entries_.size() >= MAX_ENTRIES) {
        entries_.clear();
    }
    entries_[path] = Entry{now, error};
    return error;
}

}  // namespace Passenger
