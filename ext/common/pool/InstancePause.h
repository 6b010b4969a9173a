#pragma once

#include "pool/InstanceLink.h"

namespace Passenger {

/**
 * Whether an instance was told to take no requests for now (QueuePause), and what it has answered.
 *
 * Owned by its Process; guarded by the pool's lock. No other thread knows the instance when
 * served() is called.
 */
class InstancePause {
public:
    /** @param link may be made later, and end before: neither this nor the destructor uses it */
    explicit InstancePause(InstanceLink &link) : link_(link) {}

    /** SERVE has told the instance whether it takes requests at first. */
    void served(bool paused) noexcept { order_ = paused ? Order::HOLDS : Order::NONE; }
    /** Asks the instance to take no requests for now, unless that was done. */
    void begin();
    /** Asks the instance to take requests again, from the queues that it has. */
    void end();
    /** Tells the instance to finish its requests and to exit. */
    void finish();
    /**
     * The instance has answered PAUSE or FINISH.
     * @param idle it has no request, and takes none
     * @return false: it has answered all that it was told. Others need not be told of this answer.
     */
    bool answered(bool idle) noexcept;

    /** Whether the instance was told to take no requests, by SERVE or since. */
    bool isOn() const noexcept { return order_ != Order::NONE; }
    /** Whether the instance was asked to pause and may still take a request. */
    bool mayStillTake() const noexcept { return order_ == Order::ASKED; }
    /** Whether the instance has said that it has no request and takes none. It may still have
     *  connections that it was given, as of event streams. */
    bool isAtRest() const noexcept { return atRest_; }

private:
    enum class Order {
        NONE,
        /** The instance has not read the order, or works at requests. */
        ASKED,
        /** The instance takes no request any more. */
        HOLDS
    };

    InstanceLink &link_;
    Order order_ = Order::NONE;
    /** True without a pause, too: the instance was told to end. */
    bool atRest_ = false;
    /** The number of answers that the instance may still send: one for each PAUSE and FINISH, and
     *  one for an order of an earlier pool process or for its end by itself. */
    unsigned unanswered_ = 1;
};

}  // namespace Passenger
