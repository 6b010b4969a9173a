#pragma once

#include <optional>
#include <string>

#include "exchange/Options.h"
#include "io/Serve.h"
#include "pool/ApplicationQueue.h"
#include "pool/InstanceLink.h"

namespace Passenger {

/**
 * The last step of a start: tells the instance to take requests from the queue (SERVE), and waits
 * until it says READY. A new instance answers the requests of PassengerWarmUp before. One that
 * serves already has less time, since nothing has to be loaded.
 *
 * Used once, by the thread that starts the instance, without a lock. Before InstanceLink::watch().
 */
class Handshake {
public:
    struct Order {
        const std::string &app;
        const Options &options;
        const QueueHandover &handover;
        /** The queue that the instance reads first; null: none. */
        const RequestQueue *readFirst;
        std::uint32_t stickyId;
        /** An earlier pool process has had the instance, and it serves. */
        bool adopted;
    };

    /** Takes the report of the spawn out of `parts`. Everything outlives this object. */
    Handshake(InstanceLink &link, SpawnResult &parts, const Order &order);

    /**
     * @param cancel ends the wait
     * @return why the instance does not serve: the caller kills it. Nothing: it serves
     * @throws std::exception if an adopted instance was told nothing. It finishes what it has, and
     *     knows nothing of this process.
     */
    std::optional<SpawnReport> run(CancelSwitch &cancel);

private:
    bool warmUp();
    void awaitReady(bool servesAlready);
    void checkReady(const Frame &answer);
    void explain(const std::exception &error);

    InstanceLink &link_;
    SpawnResult &parts_;
    const Order order_;
    const Serve serve_;
    const FrameSocket::Deadline deadline_;
    SpawnReport report_;
};

}  // namespace Passenger
