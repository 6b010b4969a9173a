#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "support/PoolFixture.h"
#include "support/SpawningFixture.h"

namespace Passenger {

/** A PoolFixture that looks at the pool through its snapshot, and has an application with a real
 *  folder, so that it can be restarted. */
class PoolContract : public PoolFixture {
public:
    void setUp() override;
    void tearDown() override;

protected:
    /** The application with a real folder. */
    Options inFolder() const;
    /** Touches its restart file. */
    void touch();
    /** Asks it to restart, by its restart file. */
    void restart();

    GroupSnapshot group(const Options &options = app()) const;
    std::vector<ProcessSnapshot> instances(const Options &options = app()) const;
    /** The ids of those in this state. */
    std::vector<InstanceId> instancesThat(Process::State state, const Options &options = app()) const;
    bool eventuallyState(GroupState state, const Options &options = app()) const;
    bool eventuallyServing(std::size_t count, const Options &options = app()) const;
    /** Which instance works at it. */
    InstanceId idOf(const HeldPtr &request, const Options &options = app()) const;
    /** All that count for the pool's limit: those that live, and those that are being started. */
    unsigned size() const;
    /** Settings as setUp() made them, for configure(). */
    static PoolSettings settings();

    /** What the instance uses from now on. Before, it cannot be measured.
     *  @param allocated how much of it is not only private since others do not share it any more;
     *         nothing: all */
    void setMemory(InstanceId instance, std::uint64_t bytes, std::optional<std::uint64_t> allocated = std::nullopt);
    void setMemory(InstanceId instance, const ProcessMemory &memory);

    /** How far the clock goes on while an instance is measured. */
    std::atomic<std::chrono::milliseconds> measuringTakes_{std::chrono::milliseconds(0)};
    /** What the kernel says about the host, in percent. */
    std::atomic<double> pressure_{0};
    std::unique_ptr<ApplicationFolder> folder_;

private:
    std::string restartFile() const;
    /** Guards memory_, which background threads read. */
    std::mutex measuring_;
    std::map<InstanceId, ProcessMemory> memory_;
    /** Grows with each restart. */
    time_t restarted_ = 1000;
};

}  // namespace Passenger
