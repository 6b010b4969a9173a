#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "pool/Process.h"
#include "spawning/Spawner.h"

namespace Passenger {

/**
 * Makes instances in memory. Each boot waits until the test ends it, one by one. So the work of
 * background threads happens when the test wants it, and in the same order each time.
 *
 * Thread-safe; outlives the Pool. An instance's pidfd is one end of a pipe, and this object has the
 * other end: kill() closes it.
 */
class SteeredSpawners final : public SpawnerFactory {
public:
    struct Boot {
        /** Grows in the order in which the pool started the boots. */
        std::uint64_t number = 0;
        std::string appRoot;
    };

    /** @param mortal instances can be killed, which needs a watcher for each */
    explicit SteeredSpawners(bool mortal);
    ~SteeredSpawners() override;
    SpawnerPtr create(const Options &options) override;
    pid_t spawnServerPid() const override {
        return 0;
    }

    /** The number of events in the threads of boots. */
    std::uint64_t changes();
    /** Whether `starting` boots wait, and no other thread of a boot runs. The caller counted
     *  `starting` when there were `changes` events. With further events since then, the caller has
     *  to count again. @throws std::runtime_error (no event for a long time) */
    bool allWait(unsigned starting, std::uint64_t changes);
    /** The boots that wait, in order. Only to be called while all wait. */
    std::vector<Boot> boots();
    void finish(std::uint64_t number, bool succeeds);
    /** Ends the instance's process. @return false: it never existed, or was killed before */
    bool kill(InstanceId instance);
    /** Closes the other ends of instances that no longer exist. @param living in order */
    void keepOnly(const std::vector<InstanceId> &living);
    /** The number of boots that the test did not end before the Pool's end. */
    unsigned forgotten();

private:
    class Steered;
    struct Held {
        std::string appRoot;
        pid_t thread = 0;
        const Steered *spawner = nullptr;
        bool decided = false;
        bool succeeds = false;
    };

    SpawnResult boot(const Steered &spawner, const Options &options);
    void cancel(Steered &spawner);
    void threadEnds();
    void changed();
    void numberArrivals();

    const bool mortal_;
    std::mutex mutex_;
    std::condition_variable wake_;
    std::uint64_t changes_ = 0;
    /** Threads that have called spawn(), and have not ended. */
    unsigned threads_ = 0;
    std::vector<std::shared_ptr<Held>> arrived_;
    std::map<std::uint64_t, std::shared_ptr<Held>> held_;
    std::uint64_t lastNumber_ = 0;
    pid_t lastThread_ = 0;
    /** The pool numbers instances in the order of their arrival. */
    std::uint64_t lastInstance_ = 0;
    std::map<InstanceId, FileDescriptor> lifelines_;
    unsigned forgotten_ = 0;
};

}  // namespace Passenger
