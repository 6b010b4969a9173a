#include "pool/Snapshot.h"

namespace Passenger {

const char *nameOf(GroupState state) noexcept {
    switch (state) {
        case GroupState::DOWN:
            return "down";
        case GroupState::STARTING:
            return "starting";
        case GroupState::SERVING:
            return "serving";
        case GroupState::DEPLOYING:
            return "deploying";
        case GroupState::DEPLOY_FAILED:
            return "deploy-failed";
        case GroupState::FAILED:
            return "failed";
        case GroupState::SHUT_DOWN:
            return "shut-down";
    }
    return "unknown";
}

const char *nameOf(Process::State state) noexcept {
    switch (state) {
        case Process::State::STANDBY:
            return "standby";
        case Process::State::SERVING:
            return "serving";
        case Process::State::DISABLED:
            return "disabled";
        case Process::State::DRAINING:
            return "draining";
        case Process::State::DEAD:
            return "dead";
    }
    return "unknown";
}

}  // namespace Passenger
