#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/PoolWorld.h"

namespace Passenger {

/** Something does not hold that a Pool promises. */
struct BrokenPromise : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/**
 * What a Pool promises, whatever its policies decide: books about who asked, waits and is served,
 * kept by hand and compared with what the Pool tells of itself after each step.
 *
 * A step is one call that changes something, and then check().
 */
class PoolModel {
public:
    explicit PoolModel(PoolWorld &world);
    /** Ends sessions, so that the world can be destroyed. */
    ~PoolModel();
    PoolModel(const PoolModel &) = delete;
    PoolModel &operator=(const PoolModel &) = delete;

    /** Called with each step's snapshot before it is judged. */
    std::function<void(const PoolSnapshot &)> observer;

    // What can be done. The numbers are places in the lists below.
    void ask(std::size_t app, std::uint32_t stickyId = 0);
    void release(std::size_t session);
    void cancel(std::size_t waiter);
    /** False: it has ended already. */
    bool kill(InstanceId instance);
    void finish(const SteeredSpawners::Boot &boot, bool succeeds);
    /** Compares. @throws BrokenPromise */
    void check();

    /** Everybody finishes, all boots succeed, time passes: until nobody waits, and nothing is under
     *  way. @throws BrokenPromise when that takes too long */
    void calmDown();
    /** Ends the Pool. @throws BrokenPromise when a request was not answered */
    void end();

    /** The sessions at the last check(). */
    const std::vector<PoolWorld::RequestPtr> &sessions() const noexcept { return sessions_; }
    const std::vector<PoolWorld::RequestPtr> &waiters() const noexcept { return waiters_; }
    const PoolSnapshot &snapshot() const noexcept { return snapshot_; }
    std::vector<ProcessSnapshot> instances() const;

private:
    struct App {
        /** More than its limit if that was lowered: so many as there were. */
        unsigned ceiling = 0;
        unsigned limit = 0;
        /** The most instances without a request, by the startup file of the options in force:
         *  those of an earlier request may be. */
        std::map<std::string, unsigned> spare{};
        /** Requests that were sent under another limit waited in this step: when they ask for the
         *  queue again, that limit is in force for a moment. */
        bool mixed = false;
        /** A boot failed, or an instance died. */
        bool inTrouble = false;
    };

    void takeAnswers();
    void checkAnswer(const PoolWorld::Request &request);
    void checkGiven(const PoolWorld::Request &request) const;
    void checkRefusal(const PoolWorld::Request &request);
    void checkWaiters() const;
    void checkFree(PoolWorld::Request &waiter) const;
    void checkPoolLimit();
    void checkGroup(std::size_t app, const GroupSnapshot &group);
    void checkGroupLimit(App &app, const GroupSnapshot &group, const GroupSnapshot *before) const;
    void checkInstance(const ProcessSnapshot &instance) const;
    void checkCalm() const;
    bool calm() const;
    void releaseAll();
    const GroupSnapshot *group(const PoolSnapshot &snapshot, std::size_t app) const;
    unsigned waitersOf(std::size_t app) const;
    unsigned sessionsOf(std::size_t app) const;

    PoolWorld &world_;
    std::vector<App> apps_;
    /** By age. */
    std::vector<PoolWorld::RequestPtr> waiters_;
    std::vector<PoolWorld::RequestPtr> sessions_;
    PoolSnapshot before_;
    PoolSnapshot snapshot_;
    unsigned ceiling_ = 0;
    bool ended_ = false;
    // What the step under way did.
    PoolWorld::RequestPtr asked_;
};

}  // namespace Passenger
