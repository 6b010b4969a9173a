#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "pool/ChannelRegistry.h"
#include "pool/Pool.h"
#include "support/ManualClock.h"
#include "support/PoolFixture.h"
#include "support/SteeredSpawners.h"

namespace Passenger {

/**
 * A Pool in a world in which nothing happens by itself: instances live in memory, boots end when
 * they are told to, time passes when it is told to. After each call of settle() nothing is under
 * way but boots that wait, so that the same calls always do the same.
 *
 * Used by one thread. Applications are numbers, requests too: the younger, the higher.
 */
class PoolWorld {
public:
    struct Request {
        std::uint64_t number = 0;
        std::size_t app = 0;
        std::uint32_t stickyId = 0;
        MonotonicTime since{};
        std::optional<MonotonicTime> deadline;
        Pool::Waiting waiting;
        /** Callbacks that came; one too many is seen by who looks. */
        unsigned answers = 0;
        MonotonicTime answered{};
        /** The answer: one of these. The session ends by release(). */
        SessionPtr session;
        std::optional<GetFailure> failure;
        InstanceId instance;
        /** For who looks: since when it waits, though it need not. */
        std::optional<MonotonicTime> neglected{};
    };
    using RequestPtr = std::shared_ptr<Request>;

    PoolWorld(const std::vector<Options> &apps, const PoolSettings &settings, bool mortal);
    /** Ends the Pool, with what waits and boots in it; sessions first. */
    ~PoolWorld();
    PoolWorld(const PoolWorld &) = delete;
    PoolWorld &operator=(const PoolWorld &) = delete;

    RequestPtr ask(std::size_t app, std::uint32_t stickyId = 0);
    void release(const RequestPtr &request);
    void cancel(const RequestPtr &request);
    /** The instance's process ends; returns when the Pool knows. False: it has none. */
    bool kill(InstanceId instance);
    void finish(std::uint64_t boot, bool succeeds);
    /** Passes time, and does what the Pool's timer would do then. */
    void pass(std::chrono::nanoseconds time);
    /** Ends the Pool, but not the world. Sessions must have ended. */
    void destroyPool();

    /** Waits until nothing is under way. */
    PoolSnapshot settle();
    /** Since the last call: what was answered. After settle(). */
    std::vector<RequestPtr> takeAnswered();

    Pool &pool() noexcept {
        return *pool_;
    }
    SteeredSpawners &spawners() noexcept {
        return spawners_;
    }
    MonotonicTime now() const {
        return clock_.now();
    }
    FixedCpuLoad &cpu() noexcept {
        return cpu_;
    }
    Options &options(std::size_t app) {
        return apps_[app];
    }
    std::size_t apps() const noexcept {
        return apps_.size();
    }
    /** By the folder that a boot or a snapshot has. */
    std::size_t appOf(const std::string &root) const {
        return byRoot_.at(root);
    }

private:
    void answer(const RequestPtr &request, GetOutcome outcome);

    std::vector<Options> apps_;
    std::map<std::string, std::size_t> byRoot_;
    EventLoop loop_;
    ChannelRegistry channels_;
    SteeredSpawners spawners_;
    NoDescriptorStore store_;
    ManualClock clock_;
    FixedCpuLoad cpu_;
    std::mutex mutex_;
    std::vector<RequestPtr> answered_;
    std::uint64_t lastNumber_ = 0;
    std::unique_ptr<Pool> pool_;
};

}  // namespace Passenger
