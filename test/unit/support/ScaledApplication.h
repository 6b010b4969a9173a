#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pool/ApplicationQueue.h"
#include "pool/Demand.h"
#include "pool/FailureReports.h"
#include "pool/HangWatch.h"
#include "pool/InstanceStarter.h"
#include "pool/Instances.h"
#include "pool/PoolContext.h"
#include "pool/PreloaderCare.h"
#include "pool/QueuePause.h"
#include "pool/Room.h"
#include "pool/Scaler.h"
#include "pool/Spawns.h"
#include "pool/Succession.h"
#include "pool/Versions.h"

namespace Passenger {

/** The parts of an application with an InstanceStarter and a Scaler, and without a Group: for tests
 *  of these two and of the Room. It counts what the starter tells. */
class ScaledApplication : private InstanceStarter::Listener {
public:
    /** @param slot of the application in the generation table */
    ScaledApplication(PoolContext &context, Room &room, const std::string &name, std::uint32_t slot,
                      const Options &options) REQUIRES(poolLock);
    ~ScaledApplication() override;
    ScaledApplication(const ScaledApplication &) = delete;
    ScaledApplication &operator=(const ScaledApplication &) = delete;

    /** A child asks for the queue, and will send a request. */
    void request() REQUIRES(poolLock);
    /** An instance without a process serves from now on. */
    ProcessPtr serve() REQUIRES(poolLock);
    /** It has ended. */
    void end(const ProcessPtr &process) REQUIRES(poolLock);

private:
    std::string prepare() override {
        prepared++;
        return "-";
    }
    bool wantsCompanion(unsigned ready, bool forked) override REQUIRES(poolLock) {
        return scaler.wantsCompanion(ready, forked);
    }
    void loaded(const Process &process) override REQUIRES(poolLock) { demand.loaded(process.parts().isAsgi); }
    void joined(const SpawnTask &task, const ProcessPtr &process, bool wanted) override REQUIRES(poolLock);
    void failed(const SpawnTask &task, GetFailure failure) override;
    void roomCame() override { roomsCame++; }
    void died(const ProcessPtr &) override {}
    void sent(Process &, const Frame &) override {}

    PoolContext &context_;
    Room &room_;

public:
    const std::string name;
    Options options;
    AppCounters counters;
    ApplicationQueue queue;
    Instances instances;
    QueuePause pause;
    Spawns spawns;
    FailureReports reports;
    Versions versions;
    Demand demand;
    PreloaderCare preloader;
    Succession succession;
    HangWatch hangs;
    InstanceStarter starter;
    /** The date that the Scaler has set last. */
    std::optional<MonotonicTime> date;
    Scaler scaler;

    /** Counted in background threads. */
    std::atomic<unsigned> prepared = 0;
    unsigned joinedWanted = 0;
    unsigned joinedUnwanted = 0;
    unsigned roomsCame = 0;
    std::vector<std::string> failuresTold;
};

}  // namespace Passenger
