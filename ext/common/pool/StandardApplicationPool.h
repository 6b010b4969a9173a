#pragma once

#include <string>

#include "exchange/ApplicationPool.h"
#include "pool/Pool.h"

namespace Passenger {

/**
 * The ApplicationPool over a Pool in this process. No process of mod_passenger uses it; its
 * contract has tests. Thread-safe; any number of sessions at once. It must outlive its sessions,
 * and may not be destroyed on the event loop.
 */
class StandardApplicationPool final : public ApplicationPool {
public:
    /** @param pool not owned */
    explicit StandardApplicationPool(Pool &pool) : pool_(pool) {}

    SessionPtr get(const std::string &appRoot, bool lowerPrivilege, const std::string &lowestUser) override;
    MessageSessionPtr get(const Options &options) override;
    bool checkRestart(const std::string &name) override;
    std::optional<Report> report(const std::string &id, const std::string &app) override;
    void clear() override;
    void setMax(unsigned max) override;
    unsigned getActive() const override;
    unsigned getCount() const override;
    pid_t getSpawnServerPid() const override;

    /** The options of applications that get(appRoot) starts. */
    void setDefaults(const Options &defaults) { defaults_ = defaults; }

private:
    Pool &pool_;
    Options defaults_;
};

}  // namespace Passenger
