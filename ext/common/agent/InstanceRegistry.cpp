#include "agent/InstanceRegistry.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <exception>

#include "base/ProcessTree.h"
#include "log/Log.h"
#include "rights/Rights.h"

namespace Passenger {

namespace {

pid_t anchor() {
    return parentOf(::getppid());
}

}  // namespace

InstanceRegistry::~InstanceRegistry() {
    leave();
}

void InstanceRegistry::use(const std::string &parent, unsigned backlog) {
    if (parent == parent_ && folder_.stands()) {
        // A listening socket accepts a new backlog.
        ::listen(folder_.socket.get(), static_cast<int>(std::min<unsigned>(backlog, INT_MAX)));
        return;
    }
    if (parent == parent_ && !parent.empty()) {
        Log::warn("event=registry.lost folder=\"{}\" reason=\"another program has removed it, or files in it\"",
                  folder_.path);
    }
    leave();
    if (parent.empty()) {
        return;
    }
    folder_ = Rights::ofThisProcess().makeRegistry(parent, backlog, anchor(), ::getpid());
    try {
        service_.listen(folder_.socket.duplicate());
    } catch (...) {
        leave();
        throw;
    }
    parent_ = parent;
    Log::info("event=registry.made folder=\"{}\"", folder_.path);
}

void InstanceRegistry::leave() noexcept {
    service_.listen(FileDescriptor());
    if (!folder_.path.empty()) {
        try {
            Rights::ofThisProcess().removeRegistry(folder_.path, anchor());
        } catch (const std::exception &error) {
            // The next agent removes the folder.
            Log::warn("event=registry.not_removed folder=\"{}\" error=\"{}\"", folder_.path, error.what());
        }
    }
    folder_ = RegistryFolder();
    parent_.clear();
}

}  // namespace Passenger
