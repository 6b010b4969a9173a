#pragma once

#include <chrono>
#include <memory>

#include "prefork/PreForkSettings.h"

namespace Passenger {

/**
 * The attributes of a PreFork. Each setter normalizes all attributes, with a line in the log for
 * each change, and calls attributesChanged(). Before PreFork::start() any thread may call the
 * setters, one at a time; later only the loop's thread.
 */
class PreForkAttributes {
public:
    PreForkAttributes(const PreForkAttributes &) = delete;
    PreForkAttributes &operator=(const PreForkAttributes &) = delete;

    PreForkServer &server() const noexcept { return *settings_.server; }
    /** @throws std::invalid_argument without a server; std::logic_error after start() */
    void setServer(std::shared_ptr<PreForkServer> server);
    bool shutdownOnError() const noexcept { return settings_.shutdownOnError; }
    void setShutdownOnError(bool value) noexcept { settings_.shutdownOnError = value; }
    const SpareLimits &limits() const noexcept { return settings_.limits; }
    void setLimits(const SpareLimits &limits);
    unsigned minSpareServers() const noexcept { return settings_.limits.minSpare; }
    void setMinSpareServers(unsigned count) { setLimit(&SpareLimits::minSpare, count); }
    unsigned maxSpareServers() const noexcept { return settings_.limits.maxSpare; }
    void setMaxSpareServers(unsigned count) { setLimit(&SpareLimits::maxSpare, count); }
    /** A new value counts the next time that there are no workers. */
    unsigned startServers() const noexcept { return settings_.limits.start; }
    void setStartServers(unsigned count) { setLimit(&SpareLimits::start, count); }
    unsigned maxClients() const noexcept { return settings_.limits.maxClients; }
    void setMaxClients(unsigned count) { setLimit(&SpareLimits::maxClients, count); }
    std::chrono::milliseconds timeout() const noexcept { return settings_.timeout; }
    /** @throws std::logic_error after start(): workers know their ack interval from then on */
    void setTimeout(std::chrono::milliseconds timeout);

protected:
    /** @throws std::invalid_argument without a server */
    explicit PreForkAttributes(PreForkSettings settings);
    virtual ~PreForkAttributes() = default;

    std::chrono::milliseconds startTimeout() const noexcept { return settings_.startTimeout; }
    std::chrono::milliseconds grace() const noexcept { return settings_.grace; }
    std::chrono::milliseconds surplusTime() const noexcept { return settings_.surplusTime; }
    /** Normalizes all attributes. From now on the server and the timeout cannot be set. */
    void fixAttributes();
    /** Called after each normalization. */
    virtual void attributesChanged() = 0;

private:
    void normalizeAll();
    void setLimit(unsigned SpareLimits::*limit, unsigned count);

    PreForkSettings settings_;
    bool fixed_ = false;
};

}  // namespace Passenger
