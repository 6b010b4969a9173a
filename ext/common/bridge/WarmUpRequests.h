#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "bridge/AppAddress.h"
#include "io/Frame.h"

namespace Passenger::Bridge {

/**
 * The requests of PassengerWarmUp, which the application answers before the bridge takes others.
 * This is not a health check: whatever comes of the requests, the instance serves. Used by the main
 * thread, while the others wait.
 */
class WarmUpRequests {
public:
    /** @param serve its time limit counts from now on. @throws ProtocolException */
    explicit WarmUpRequests(const Frame &serve);

    /**
     * Returns after the last answer, or at the limit.
     * @param toNode as Place::Tools::toNode
     * @return false: a request has failed
     */
    bool run(const AppAddress &address, bool toNode) const;

private:
    bool answer(const std::string &environment, const AppAddress &address, bool toNode) const;

    std::vector<std::string> environments_;
    std::chrono::milliseconds limit_{0};
    AppAddress::Deadline deadline_;
};

}  // namespace Passenger::Bridge
