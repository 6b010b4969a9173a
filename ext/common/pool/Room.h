#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "base/Clock.h"
#include "policy/RoomPolicy.h"
#include "pool/MemoryRoom.h"
#include "pool/PoolContext.h"

namespace Passenger {

class Scaler;

/**
 * Shares the room of a Pool, PoolSettings::maxSize (PassengerMaxPoolSize), among its applications.
 * Decides which one may start an instance, and has another one give up an instance where that is
 * fair.
 *
 * Owned by the Pool; guarded by the pool's lock.
 *
 * Always true: an application that was not admitted is looked at again at its own date. It is also
 * looked at when an instance has ended and no application before it waits. Each application with an
 * instance, or with one on its way, is an occupant.
 */
class Room {
public:
    /** All outlive this object. */
    Room(const PoolSettings &settings, Orphans &orphans, const CpuLoad &cpu)
        : settings_(settings), orphans_(orphans), cpu_(cpu), memory_(settings, applications_) {}

    /** The application's instances count from now on, until remove(). */
    void add(Scaler &application) REQUIRES(poolLock) { applications_.push_back(&application); }
    /** The application may be about to start an instance. */
    void enter(Scaler &application) REQUIRES(poolLock) { occupants_.insert(&application); }
    /** It has started what it may. */
    void leaveIfEmpty(Scaler &application) REQUIRES(poolLock);
    /** How many applications a look for room goes through. Of thousands of applications, most have
     *  no instance. */
    std::size_t occupants() const noexcept REQUIRES(poolLock) { return occupants_.size(); }
    /** The application has no instances and no wishes. */
    void remove(Scaler &application) REQUIRES(poolLock);

    /**
     * Whether the application may start one instance more. If not, its wish is kept, and room is
     * made for it where that is fair.
     */
    bool admit(Scaler &application, MonotonicTime now) REQUIRES(poolLock);
    /** Whether the application may start one instance that has to be started: memory must be free
     *  for it, too. */
    MemoryRoom::Verdict admitNew(Scaler &application, MemoryAdmission::Start start, MonotonicTime now)
        REQUIRES(poolLock);
    /** The application has no wish any more. */
    void satisfied(const Scaler &application) REQUIRES(poolLock);
    /** Whether the application may start an instance that takes another one's place. If not, its
     *  wish is kept. A full pool replaces one at a time, and any pool starts no load beside as many
     *  others as its processors can be expected to end in time. Of the wishes that wait for the
     *  same, the first instance of a new version comes before the successor of a worn instance,
     *  then the oldest wish. Loads that hang hold no wish back for ever. */
    MemoryRoom::Verdict admitReplacement(Scaler &application, MemoryAdmission::Start start, MonotonicTime now)
        REQUIRES(poolLock);
    /** The application has no such wish any more. */
    void withdrawReplacement(const Scaler &application) REQUIRES(poolLock);
    /** Whether nothing but loads and other applications' replacements holds its wish back. */
    bool waitsForTurn(const Scaler &application) const REQUIRES(poolLock);
    /** How many applications' looks have to share a time: those that want room for further
     *  instances, or wait for a turn. 1 for the application whose turn is next. */
    unsigned sharers(const Scaler &application) const REQUIRES(poolLock);
    bool hasWish(const Scaler &application) const REQUIRES(poolLock);

    /** All instances that live or are on their way. */
    unsigned size() const REQUIRES(poolLock);
    bool isFree() const REQUIRES(poolLock) { return size() < settings_.maxSize; }
    /** Whether there is room for a spare instance, which no other application wants. */
    bool isFreeForSpares(const Scaler &application, MonotonicTime now) const REQUIRES(poolLock) {
        return isFree() && !anyWantsRoom() && memory_.isFreeFor(application, now);
    }
    /** The memory that instances may use. */
    MemoryRoom &memory() noexcept REQUIRES(poolLock) { return memory_; }
    const MemoryRoom &memory() const noexcept REQUIRES(poolLock) { return memory_; }
    /** How many applications have a request that waits for room. A wish for the minimum of
     *  instances does not count. */
    unsigned waiting() const REQUIRES(poolLock);

    /** Instances of an earlier pool process that wait have to go if there is no room for them. */
    void endSurplusOrphans() REQUIRES(poolLock);

    /** There may be more room: rescales the applications with wishes. An instance does not tell
     *  that it is idle. */
    void mayHaveCome() REQUIRES(poolLock);
    /** Ends idle instances above a limit that was lowered, even if they are an application's
     *  minimum. Busy ones end when they are idle and this is called again. */
    void trim() REQUIRES(poolLock);

private:
    struct BySlot {
        bool operator()(const Scaler *a, const Scaler *b) const noexcept;
    };

    /** Applications with an instance that could go, and what is known of each. */
    struct Candidates {
        std::vector<Scaler *> applications;
        std::vector<RoomCandidate> rooms;
    };

    /** A replacement waits for room, or until fewer instances load (LOADS). */
    enum class Turn { NONE, ROOM, LOADS };

    /** The wish for an instance that takes another one's place. */
    struct Replacement {
        Scaler *application;
        MemoryAdmission::Start start;
        MonotonicTime since;
        Turn turn = Turn::NONE;
        std::optional<MonotonicTime> logged = std::nullopt;
    };

    /** The room as an application sees it that wants one more instance. */
    struct Census {
        /** Instances that count for the limit, and applications whose turn comes before. */
        unsigned taken = 0;
        /** Instances that are to end. */
        unsigned draining = 0;
        /** Those of them that do not only wait, and were told so a moment ago. */
        unsigned endingSoon = 0;
        /** Those of them that should have ended by now: others may end in their place. */
        unsigned slow = 0;
        /** Those that do not count against this application: its own ones have no request, and the
         *  requests of the others' ones only wait. */
        unsigned uncounted = 0;
    };

    unsigned counted() const REQUIRES(poolLock);
    unsigned draining() const REQUIRES(poolLock);
    unsigned olderWishes(const Scaler &application, MonotonicTime now) const REQUIRES(poolLock);
    Census census(const Scaler &application, MonotonicTime now) const REQUIRES(poolLock);
    /** The applications but `except` that could give up an instance. @param onlyAboveMinimum only
     *  applications that would not fall below their minimum */
    Candidates candidates(const Scaler *except, bool onlyAboveMinimum) const REQUIRES(poolLock);
    bool evictFor(const Scaler &application, bool onlyIdle, MonotonicTime now) REQUIRES(poolLock);
    Scaler *chooseVictim(const Scaler &application, bool onlyIdle, MonotonicTime now) const REQUIRES(poolLock);
    bool replacing() const REQUIRES(poolLock);
    bool loadsEnough() const REQUIRES(poolLock);
    static bool loads(const Replacement &wish) REQUIRES(poolLock);
    static bool comesFirst(const Replacement &a, const Replacement &b);
    bool isFirst(const Replacement &wish, Turn turn) const REQUIRES(poolLock);
    Turn turnOf(const Replacement &wish, MonotonicTime now) const REQUIRES(poolLock);
    static void logWait(Replacement &wish, MonotonicTime now) REQUIRES(poolLock);
    bool anyWantsRoom() const REQUIRES(poolLock);

    const PoolSettings &settings_;
    Orphans &orphans_;
    const CpuLoad &cpu_;
    std::vector<Scaler *> applications_;
    /** Those of them that have an instance, or start one. */
    std::set<Scaler *, BySlot> occupants_;
    /** The applications that could not start an instance that they need, by slot. */
    std::map<std::uint32_t, Scaler *> wishes_;
    /** The applications that could not start a replacement, by slot. */
    std::map<std::uint32_t, Replacement> replacementWishes_;
    /** When a replacement was last admitted that loads. */
    MonotonicTime lastTurn_;
    MemoryRoom memory_;
};

}  // namespace Passenger
