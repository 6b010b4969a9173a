#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pool/ChannelRegistry.h"
#include "pool/Pool.h"
#include "support/ManualClock.h"
#include "support/NoDescriptorStore.h"
#include "support/PoolFixture.h"
#include "support/PoolRequests.h"
#include "support/SteeredSpawners.h"

namespace Passenger {

/** A ManualClock that notes which threads of the pool use it. */
class WorldClock final : public Clock {
public:
    MonotonicTime now() const override {
        if (noteThread) {
            noteThread();
        }
        return clock.now();
    }
    std::function<void()> noteThread;
    ManualClock clock;
};

/** A FixedCpuLoad that counts the boots which the pool has started. */
class CountingCpuLoad final : public CpuLoad {
public:
    unsigned cores() const override { return 8; }
    double idleCores() override { return idle; }
    void claim() override {
        started++;
        if (changed) {
            changed();
        }
    }
    std::function<void()> changed;
    std::atomic<double> idle{8};
    std::atomic<unsigned> started{0};
};

/**
 * A Pool in a world in which nothing happens by itself: instances are dummies that are driven by
 * hand, boots end when they are told to, time passes when it is told to. After each call of
 * settle() nothing is under way but boots that wait, so that the same calls always do the same.
 *
 * Used by one thread. Applications are numbers, requests too: the younger, the higher.
 */
class PoolWorld {
public:
    struct Request {
        std::uint64_t number = 0;
        std::size_t app = 0;
        std::uint32_t stickyId = 0;
        /** The limit in the options that the request was sent with. */
        unsigned maxInstances = 0;
        MonotonicTime since{};
        std::optional<MonotonicTime> deadline;
        /** While it waits. */
        AnswerPtr waiting;
        MonotonicTime answered{};
        /** What became of it: one of these. The session ends by release(). */
        HeldPtr session;
        std::optional<Refusal> failure;
        InstanceId instance;
        /** For who looks: since when it waits, though it need not. */
        std::optional<MonotonicTime> neglected{};
    };
    using RequestPtr = std::shared_ptr<Request>;

    PoolWorld(const std::vector<Options> &apps, const PoolSettings &settings);
    /** Ends the Pool, with what waits and boots in it; sessions first. */
    ~PoolWorld();
    PoolWorld(const PoolWorld &) = delete;
    PoolWorld &operator=(const PoolWorld &) = delete;

    RequestPtr ask(std::size_t app, std::uint32_t stickyId = 0);
    void release(const RequestPtr &request);
    /** Its client leaves. */
    void cancel(const RequestPtr &request);
    /** The instance's process ends; returns when the Pool knows. False: it has ended already. */
    bool kill(InstanceId instance);
    void finish(std::uint64_t boot, bool succeeds);
    /** Passes time, and does what the Pool's timer would do then. */
    void pass(std::chrono::nanoseconds time);
    /** Ends the Pool, but not the world. Sessions must have ended. */
    void destroyPool();

    /** Waits until nothing is under way. */
    PoolSnapshot settle();
    /** Waits until nothing is under way, and makes no snapshot, which costs most of the time with a
     *  thousand applications. Only for applications of which several instances may serve at
     *  once. */
    void settleBoots();
    /** The requests that were answered since the last call. After settle(). */
    std::vector<RequestPtr> takeAnswered();

    Pool &pool() noexcept { return *pool_; }
    SteeredSpawners &spawners() noexcept { return spawners_; }
    MonotonicTime now() const { return clock_.now(); }
    CountingCpuLoad &cpu() noexcept { return cpu_; }
    Options &options(std::size_t app) { return apps_[app]; }
    std::size_t apps() const noexcept { return apps_.size(); }
    /** By the folder that a boot or a snapshot has. */
    std::size_t appOf(const std::string &root) const { return byRoot_.at(root); }

private:
    std::vector<Options> apps_;
    std::map<std::string, std::size_t> byRoot_;
    EventLoop loop_;
    ChannelRegistry channels_;
    WorldClock clock_;
    SteeredSpawners spawners_;
    NoDescriptorStore store_;
    CountingCpuLoad cpu_;
    std::uint64_t lastNumber_ = 0;
    std::unique_ptr<Pool> pool_;
    std::unique_ptr<PoolRequests> requests_;
    /** By age. */
    std::vector<RequestPtr> waiting_;
};

}  // namespace Passenger
