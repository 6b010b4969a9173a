#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "client/PoolClient.h"
#include "exchange/ApplicationPool.h"
#include "exchange/MessageSession.h"
#include "exchange/QueueHost.h"

namespace Passenger {

/**
 * The pool of another process, as ApplicationPoolServer::connect() returns it. It has one session
 * at a time; a caller that needs several sessions calls connect() for each. A second session is
 * refused with an IOException.
 */
class RemoteApplicationPool final : public ApplicationPool, public std::enable_shared_from_this<RemoteApplicationPool> {
public:
    explicit RemoteApplicationPool(std::shared_ptr<PoolClient> client) : client_(std::move(client)) {}

    SessionPtr get(const std::string &appRoot, bool lowerPrivilege, const std::string &lowestUser) override;
    /** @param options must stay unchanged while the session lives */
    MessageSessionPtr get(const Options &options) override;
    bool checkRestart(const std::string &name) override;
    std::optional<Report> report(const std::string &id, const std::string &app) override;
    void clear() override;
    void setMax(unsigned max) override;
    unsigned getActive() const override;
    unsigned getCount() const override;
    pid_t getSpawnServerPid() const override;

private:
    /** The session, in this pool's own memory, so that a request of httpd allocates none. It keeps
     *  the pool. */
    class OwnSession final : public MessageSession {
    public:
        OwnSession(std::shared_ptr<RemoteApplicationPool> pool, QueueHostPtr host, const Options &options)
            : MessageSession(std::move(host), options), pool_(std::move(pool)) {}

        void release() noexcept override;

    private:
        std::shared_ptr<RemoteApplicationPool> pool_;
    };

    QueueHostPtr open(const Options &options);
    std::uint64_t query(const char *what) const;

    std::shared_ptr<PoolClient> client_;
    std::atomic<bool> open_{false};
    /** The options of get(appRoot). */
    Options options_;
    std::optional<OwnSession> session_;
};

}  // namespace Passenger
