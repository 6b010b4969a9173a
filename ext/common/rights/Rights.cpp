#include "rights/Rights.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <iterator>

#include "log/Log.h"
#include "rights/OwnRights.h"

namespace Passenger {

namespace {

OwnRights ownRights;
std::atomic<Rights *> inUse = &ownRights;

/** What `one` returns for each look; for a look that fails an empty result. */
template <typename One> auto ofEach(const std::vector<FolderLook> &looks, One one) {
    std::vector<decltype(one(looks.front()))> results;
    std::transform(looks.begin(), looks.end(), std::back_inserter(results), [&](const FolderLook &look) {
        try {
            return one(look);
        } catch (const std::exception &) {
            return decltype(one(look))();
        }
    });
    return results;
}

}  // namespace

Options::Variables userOptionsOf(const Options &options) {
    Options plain = options;
    plain.variables = nullptr;
    return plain.toMap();
}

Options::Variables ownerOptionsOf(const Options &options) {
    const auto all = userOptionsOf(options);
    Options::Variables some;
    for (const char *key :
         {"app_root", "startup_file", "user", "group", "default_user", "default_group", "user_switching"}) {
        some.insert(*all.find(key));
    }
    return some;
}

const char *fileName(RestartFile file) noexcept {
    return file == RestartFile::RESTART ? "restart.txt" : "always_restart.txt";
}

void Rights::signalOrLog(const FileDescriptor &pidFd, pid_t pid, int number) noexcept {
    try {
        signal(pidFd, number);
    } catch (const std::exception &error) {
        // The process may have changed its user.
        Log::warn("event=process.kill_failed pid={} error=\"{}\"", pid, error.what());
    }
}

std::vector<std::optional<RestartTimes>> Rights::modifiedInAll(const std::vector<FolderLook> &looks) {
    return ofEach(looks, [&](const FolderLook &look) {
        const std::string &folder = look.folders.back();
        return std::optional(RestartTimes{modified(folder, RestartFile::RESTART, look.user),
                                          modified(folder, RestartFile::ALWAYS_RESTART, look.user)});
    });
}

std::vector<std::vector<int>> Rights::watchAll(const FileDescriptor &inotify, const std::vector<FolderLook> &looks) {
    return ofEach(looks,
                  [&](const FolderLook &look) { return watch(inotify, look.folders, FolderEvents::PATH, look.user); });
}

Rights &Rights::ofThisProcess() noexcept {
    return *inUse.load(std::memory_order_acquire);
}

void Rights::use(Rights *rights) noexcept {
    inUse.store(rights != nullptr ? rights : &ownRights, std::memory_order_release);
}

}  // namespace Passenger
