#include "rights/Rights.h"

#include <atomic>
#include <exception>

#include "log/Log.h"
#include "rights/OwnRights.h"

namespace Passenger {

namespace {

OwnRights ownRights;
std::atomic<Rights *> inUse = &ownRights;

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

void Rights::signalOrLog(const FileDescriptor &pidFd, pid_t pid, int number) noexcept {
    try {
        signal(pidFd, number);
    } catch (const std::exception &error) {
        // The process may have changed its user.
        Log::warn("event=process.kill_failed pid={} error=\"{}\"", pid, error.what());
    }
}

Rights &Rights::ofThisProcess() noexcept {
    return *inUse.load(std::memory_order_acquire);
}

void Rights::use(Rights *rights) noexcept {
    inUse.store(rights != nullptr ? rights : &ownRights, std::memory_order_release);
}

}  // namespace Passenger
