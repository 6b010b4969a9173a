#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "pool/ChannelRegistry.h"
#include "pool/Pool.h"
#include "support/CapturedLog.h"
#include "support/DummySpawnerFactory.h"
#include "support/LeakCheck.h"
#include "support/ManualClock.h"
#include "support/NoDescriptorStore.h"
#include "support/PoolRequests.h"

namespace Passenger {

/** A machine that is as busy as the test says. */
class FixedCpuLoad final : public CpuLoad {
public:
    unsigned cores() const override { return processors; }
    double idleCores() override { return idle; }
    std::optional<std::chrono::nanoseconds> usedBy(pid_t) override {
        return nothingUsed ? std::optional(std::chrono::nanoseconds(0)) : std::nullopt;
    }
    std::atomic<unsigned> processors{8};
    std::atomic<double> idle{8};
    /** No process computes. Otherwise their CPU time is not known. */
    std::atomic<bool> nothingUsed{false};
};

/** For tests of a Pool: its spawners do what factory_ says, its time is clock_'s. Its instances are
 *  dummies, which take requests and answer them in step(). */
class PoolFixture : public LeakCheck {
public:
    void setUp() override;
    void tearDown() override;

protected:
    /** The options of an application with this folder, which need not exist. */
    static Options app(const std::string &root = "/srv/blog");
    /** Puts a request into the queue, and lets a free instance take it. */
    AnswerPtr ask(const Options &options);
    /** Puts a request into the queue, and waits until an instance works at it. */
    HeldPtr get(const Options &options = app());
    static const DummyInstance *instanceOf(const HeldPtr &request) { return &request->instance(); }
    /** So many requests at once, and so many instances therefore; all idle again afterwards. */
    void warmUp(unsigned instances, const Options &options = app());
    void setMax(unsigned max);
    /** Instances and requests do what they can do by now. */
    void step() const;
    /** What the Pool's timer does. */
    void upkeep();
    /** Passes time and does what the timers would do meanwhile. */
    void advance(std::chrono::nanoseconds time, std::chrono::nanoseconds step);
    void pass(std::chrono::nanoseconds time) { advance(time, time); }
    /** Instances that live. */
    unsigned count() const;
    bool eventuallyCount(unsigned count) const;
    /** Instances that were made so far. */
    std::size_t made() const;
    /** The instance's process is killed; the Pool knows then. @param index from 0, in the order of
     *  their making */
    void die(std::size_t index);
    /** Gives the Pool other settings or parts from its beginning. */
    void makePool(const Pool::Parts &parts, const PoolSettings &settings);
    Pool::Parts parts();
    /** Ends the Pool; requests must have ended. */
    void endPool();

    std::unique_ptr<CapturedLog> log_;
    std::unique_ptr<EventLoop> loop_;
    std::unique_ptr<ChannelRegistry> channels_;
    std::unique_ptr<DummySpawnerFactory> factory_;
    NoDescriptorStore store_;
    ManualClock clock_;
    FixedCpuLoad cpu_;
    std::unique_ptr<Pool> pool_;
    std::unique_ptr<PoolRequests> requests_;
};

}  // namespace Passenger
