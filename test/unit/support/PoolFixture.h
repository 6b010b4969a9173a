#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "pool/ChannelRegistry.h"
#include "pool/Pool.h"
#include "spawning/DummySpawner.h"
#include "support/CapturedLog.h"
#include "support/LeakCheck.h"
#include "support/ManualClock.h"

namespace Passenger {

/** What became of an asyncGet(). Thread-safe. */
class Answer {
public:
    void arrive(GetOutcome outcome);
    bool here() const;
    /** Whether it comes soon. */
    bool comes() const;
    /** Waits for it. Fails the test when there is none, or a failure. */
    SessionPtr session();
    /** Waits for it. Fails the test when there is none, or a session. */
    GetFailure failure() const;

private:
    mutable std::mutex mutex_;
    std::optional<GetOutcome> outcome_;
    bool second_ = false;
};

using AnswerPtr = std::shared_ptr<Answer>;

/** A machine that is as busy as the test says. */
class FixedCpuLoad final : public CpuLoad {
public:
    unsigned cores() const override {
        return 8;
    }
    double idleCores() override {
        return idle;
    }
    std::atomic<double> idle{8};
};

/** For tests of a Pool whose instances live in memory: its spawners do what factory_ says, its time
 *  is clock_'s. */
class PoolFixture : public LeakCheck {
public:
    void setUp() override;
    void tearDown() override;

protected:
    /** Of an application with this folder, which need not exist. */
    static Options app(const std::string &root = "/srv/blog");
    /** Gets a session without waiting for it. */
    AnswerPtr ask(const Options &options);
    SessionPtr get(const Options &options = app());
    /** Which instance has the session. */
    static const Process *instanceOf(const SessionPtr &session);
    /** So many sessions at once, and so many instances therefore; all idle again afterwards. */
    void warmUp(unsigned instances, const Options &options = app());
    void setMax(unsigned max);
    /** Passes time and does what the timers would do meanwhile. */
    void advance(std::chrono::seconds time, std::chrono::seconds step);
    bool eventuallyCount(unsigned count);

    std::unique_ptr<CapturedLog> log_;
    std::unique_ptr<EventLoop> loop_;
    std::unique_ptr<ChannelRegistry> channels_;
    std::unique_ptr<DummySpawnerFactory> factory_;
    NoDescriptorStore store_;
    ManualClock clock_;
    FixedCpuLoad cpu_;
    std::unique_ptr<Pool> pool_;
};

}  // namespace Passenger
