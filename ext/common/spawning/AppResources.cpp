#include "spawning/AppResources.h"

#include "base/SystemClock.h"
#include "rights/Rights.h"

namespace Passenger {

AppResources::AppResources(EventLoop &loop, SpawnManager &manager)
    : loop(loop), manager(manager), outputLimits(loop, SystemClock::instance(), counts) {}

tl::expected<RunAs, std::string> AppResources::userOf(const Options &options) const {
    return Rights::ofThisProcess().userOf(options, users, manager.canSwitchUsers());
}

void AppResources::keepApps(const std::function<bool(const std::string &app)> &isKnown) {
    appUsers.keep(isKnown);
    groups.keepEvents(isKnown);
}

}  // namespace Passenger
