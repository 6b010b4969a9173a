#include "pool/StandardApplicationPool.h"

#include "base/Exceptions.h"
#include "exchange/StreamSession.h"
#include "pool/OwningSession.h"

namespace Passenger {

SessionPtr StandardApplicationPool::get(const std::string &appRoot, bool lowerPrivilege,
                                        const std::string &lowestUser) {
    Options options = defaults_;
    options.appRoot = appRoot;
    options.userSwitching = lowerPrivilege;
    options.defaultUser = lowestUser;
    // Callers of this interface rely on get() to notice restart.txt.
    checkRestart(options.groupName());
    try {
        return std::make_unique<OwningSession<StreamSession>>(pool_.host(options), options);
    } catch (const RefusedException &error) {
        throw SpawnException(error.what());
    }
}

bool StandardApplicationPool::checkRestart(const std::string &name) {
    pool_.checkRestart(name);
    return true;
}

MessageSessionPtr StandardApplicationPool::get(const Options &options) {
    return pool_.get(options);
}

std::optional<Report> StandardApplicationPool::report(const std::string &id, const std::string &app) {
    const auto found = pool_.report(id, app);
    return found ? std::optional(*found) : std::nullopt;
}

void StandardApplicationPool::clear() {
    pool_.clear();
}

void StandardApplicationPool::setMax(unsigned max) {
    pool_.setMax(max);
}

unsigned StandardApplicationPool::getActive() const {
    return pool_.getActive();
}

unsigned StandardApplicationPool::getCount() const {
    return pool_.getCount();
}

pid_t StandardApplicationPool::getSpawnServerPid() const {
    return pool_.getSpawnServerPid();
}

}  // namespace Passenger
