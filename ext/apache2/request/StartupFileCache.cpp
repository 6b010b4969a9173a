#include "apache2/request/StartupFileCache.h"

#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <cstddef>
#include <sstream>

#include "base/FileContent.h"
#include "base/NodePackage.h"

namespace Passenger {

namespace {

int errorOf(const std::string &path) {
    struct stat file {};
    return stat(path.c_str(), &file) == 0 ? 0 : errno;
}

std::string interpreterOf(const std::string &path) {
    constexpr std::size_t LARGEST = 1024 * 1024;
    const std::string content = regularFileContent(path, LARGEST);
    std::istringstream line(content.starts_with("#!") ? content.substr(2, content.find('\n') - 2) : "");
    std::string name;
    // env(1) has options, and variables to set.
    while (line >> name && (name.starts_with('-') || name.find('=') != std::string::npos || name.ends_with("/env"))) {
        name.clear();
    }
    return name.substr(name.rfind('/') + 1);
}

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

/** What `find` says of the path. The lock is not held meanwhile: a file server that does not answer
 *  blocks only this request. */
template <typename Value>
Value StartupFileCache::remember(Names<Value> StartupFileCache::*names, std::string_view path, Clock::time_point now,
                                 Value (*find)(const std::string &), bool again) {
    if (!again) {
        LockGuard lock(mutex_);
        const Entry<Value> *known = (this->*names).find(path);
        if (known != nullptr && now - known->lookedAt < MAX_AGE) {
            return known->value;
        }
    }
    Value value = find(std::string(path));
    LockGuard lock(mutex_);
    (this->*names).put(path, {now, value});
    return value;
}

int StartupFileCache::look(std::string_view path, Clock::time_point now, bool again) {
    return remember(&StartupFileCache::errors_, path, now, errorOf, again);
}

void StartupFileCache::served(std::string_view app, std::string_view type, std::string_view file) {
    const LockGuard lock(mutex_);
    const Start *known = served_.find(app);
    if (known == nullptr || known->type != type || known->file != file) {
        served_.put(app, {std::string(type), std::string(file)});
    }
}

void StartupFileCache::notServed(std::string_view app) {
    const LockGuard lock(mutex_);
    served_.erase(app);
}

std::optional<StartupFileCache::Start> StartupFileCache::startOf(std::string_view app) const {
    const LockGuard lock(mutex_);
    const Start *known = served_.find(app);
    return known == nullptr ? std::nullopt : std::optional(*known);
}

std::string StartupFileCache::interpreter(std::string_view path, Clock::time_point now, bool again) {
    return remember(&StartupFileCache::interpreters_, path, now, interpreterOf, again);
}

std::string StartupFileCache::follow(std::string_view path, Clock::time_point now) {
    return remember(&StartupFileCache::targets_, path, now, targetOf);
}

std::string StartupFileCache::nodeStart(std::string_view folder, Clock::time_point now) {
    return remember(&StartupFileCache::nodeStarts_, folder, now, NodePackage::startupFile);
}

std::string StartupFileCache::packageProblem(std::string_view folder, Clock::time_point now) {
    return remember(&StartupFileCache::packageProblems_, folder, now, NodePackage::problem);
}

}  // namespace Passenger
