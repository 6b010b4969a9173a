#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "exchange/GroupName.h"
#include "exchange/Options.h"
#include "exchange/QueueCache.h"
#include "pool/Pool.h"

namespace Passenger {

/**
 * Sends requests from the pool's own process. Like a child of httpd, it has an in-flight table and
 * a child slot. For Pool::get() and StandardApplicationPool. No process of mod_passenger uses it;
 * its contract has tests.
 *
 * Owned by the Pool. It and its sessions end before the Pool. It keeps channels until then: for
 * each application as many as were in use at once, and at most 4,096 in all.
 */
class LocalSender {
public:
    /** @throws IOException (too many processes send requests already), SystemException */
    explicit LocalSender(Pool &pool);
    ~LocalSender();
    LocalSender(const LocalSender &) = delete;
    LocalSender &operator=(const LocalSender &) = delete;

    /** What the sessions of this application need of this process. */
    QueueHostPtr host(const Options &options) REQUIRES(poolLock);

private:
    class Application;
    using Applications = std::unordered_map<std::string, std::shared_ptr<Application>, GroupNameHash, GroupNameEqual>;

    Pool &pool_;
    InFlightTable inFlightTable_;
    std::uint32_t slot_;
    GenerationTableView generations_;
    /** By name. */
    Applications applications_ GUARDED_BY(poolLock);
};

}  // namespace Passenger
