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
 * Makes instances in memory. Each boot waits until the test says how it ends, one by one, so that what happens in background threads
 * happens when the test wants it, and in the same order each time.
 *
 * Thread-safe; outlives the Pool. An instance's pidfd is a pipe, whose other end is kept here: kill() closes it.
 */
class SteeredSpawners final : public SpawnerFactory {
public:
    /** A spawn() that waits. */
    struct Boot {
        /** Grows in the order in which the pool started them. */
        std::uint64_t number = 0;
        std::string appRoot;
    };

    /** @param mortal whether instances can be killed, which costs a watcher for each */
    explicit SteeredSpawners(bool mortal);
    ~SteeredSpawners() override;
    SpawnerPtr create(const Options &options) override;
    pid_t spawnServerPid() const override {
        return 0;
    }

    /** How often something has happened in the boots' threads. */
    std::uint64_t changes();
    /** Whether so many boots wait, and no other thread of a boot runs; counted at a time when `changes` had happened. Otherwise it waits until
     *  more has happened: the caller has to count again. @throws std::runtime_error when nothing happens for a long time */
    bool allWait(unsigned starting, std::uint64_t changes);
    /** Those that wait, in order. Only while all do. */
    std::vector<Boot> boots();
    void finish(std::uint64_t number, bool succeeds);
    /** The instance's process ends. False: it never had one, or was killed already. */
    bool kill(InstanceId instance);
    /** Forgets the other ends of instances that are gone. @param living in order */
    void keepOnly(const std::vector<InstanceId> &living);
    /** Boots that nobody ended, up to the end of the Pool. */
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
    /** The pool numbers instances as they come. */
    std::uint64_t lastInstance_ = 0;
    std::map<InstanceId, FileDescriptor> lifelines_;
    unsigned forgotten_ = 0;
};

}  // namespace Passenger
