#include "apache2/request/SpoolQuota.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <chrono>

namespace Passenger {

namespace {

constexpr std::chrono::seconds LOOK_INTERVAL{1};
constexpr std::uint64_t MB = 1024 * std::uint64_t{1024};

// The defaults of the limits.
constexpr std::uint64_t MOST_FREE = 256 * MB;
constexpr std::uint64_t FREE_PART = 20;

std::uint64_t shareOfAll(std::uint64_t room) {
    return room - room / 4;
}

std::uint64_t less(std::uint64_t from, std::uint64_t what) {
    return from - std::min(from, what);
}

std::string megabytes(std::uint64_t bytes) {
    return std::to_string(bytes / MB) + " MB";
}

}  // namespace

void SpoolQuota::take(std::uint64_t app, std::uint64_t bytes) {
    if (parts_.ledger == nullptr) {
        return;
    }
    for (;;) {
        if (!parts_.ledger->add(app, bytes)) {
            count(UsageLedger::Effect::FILE_REFUSED);
            throw SpoolQuotaExceeded("this httpd child has files of " + std::to_string(UsageLedger::ENTRIES) +
                                         " applications in " + folder_ + " already; it can have no more",
                                     "none");
        }
        // Counted first: of two processes that come at once both may be refused, but never too
        // much is granted.
        const std::optional<Excess> found = excess(parts_.ledger->sums(app), bytes);
        if (!found) {
            return;
        }
        parts_.ledger->subtract(app, bytes);
        if (!maySweep() || !parts_.ledger->dropDead()) {
            count(found->effect);
            throw SpoolQuotaExceeded(found->reason, found->directive);
        }
    }
}

void SpoolQuota::giveBack(std::uint64_t app, std::uint64_t bytes) noexcept {
    if (parts_.ledger != nullptr) {
        parts_.ledger->subtract(app, bytes);
    }
}

void SpoolQuota::count(UsageLedger::Effect effect) noexcept {
    if (parts_.ledger != nullptr) {
        parts_.ledger->count(effect);
    }
}

std::optional<SpoolStatus> SpoolQuota::use() {
    if (parts_.ledger == nullptr) {
        return std::nullopt;
    }
    if (maySweep()) {
        parts_.ledger->dropDead();
    }
    const std::uint64_t bytes = parts_.ledger->sums(0).all;
    const std::optional<Space> space = spaceWithout(bytes);
    return SpoolStatus{bytes,
                       limitOf(space),
                       space ? less(space->available, bytes) : 0,
                       space ? reserveOf(*space) : 0,
                       parts_.ledger->counted(UsageLedger::Effect::FILE_REFUSED),
                       parts_.ledger->counted(UsageLedger::Effect::FILE_OF_APP_REFUSED),
                       parts_.ledger->counted(UsageLedger::Effect::FILE_ON_FULL_DISK_REFUSED),
                       parts_.ledger->counted(UsageLedger::Effect::HIJACK_REFUSED),
                       parts_.ledger->counted(UsageLedger::Effect::CLIENT_CUT),
                       parts_.ledger->counted(UsageLedger::Effect::BODY_IN_PIECES)};
}

/** @param space as if there were no spool files */
std::uint64_t SpoolQuota::reserveOf(const Space &space) const noexcept {
    return limits_.free.value_or(std::min(MOST_FREE, space.size / FREE_PART));
}

std::uint64_t SpoolQuota::limitOf(const std::optional<Space> &space) const noexcept {
    return limits_.all.value_or(space ? shareOfAll(space->available) : 0);
}

/** What all files may have together, above the part of the disk that stays free; 0: no limit. */
std::uint64_t SpoolQuota::roomIn(const std::optional<Space> &space) const noexcept {
    const std::uint64_t all = limitOf(space);
    const std::uint64_t floor = space ? reserveOf(*space) : 0;
    if (floor == 0) {
        return all;
    }
    const std::uint64_t above = less(space->available, floor);
    return all == 0 ? above : std::min(all, above);
}

/** @param sums with the bytes that are to be added, `added` */
std::optional<SpoolQuota::Excess> SpoolQuota::excess(const UsageLedger::Sums &sums, std::uint64_t added) {
    const std::optional<Space> space = spaceWithout(less(sums.all, added));
    using Effect = UsageLedger::Effect;
    const auto beyond = [&](const char *directive, Effect effect, const std::string &whose, std::uint64_t has,
                            const std::string &most) {
        return Excess{directive, effect,
                      whose + " files in " + folder_ + " have " + megabytes(less(has, added)) + ", " + most + " (" +
                          directive + ")"};
    };
    if (space) {
        const std::uint64_t floor = reserveOf(*space);
        if (floor > 0 && less(space->available, sums.all) < floor) {
            return beyond("PassengerMinDataBufferFreeSpace", Effect::FILE_ON_FULL_DISK_REFUSED, "all applications'",
                          sums.all, "and " + megabytes(floor) + " of the disk are to stay free");
        }
    }
    const std::uint64_t all = limitOf(space);
    if (all > 0 && sums.all > all) {
        return beyond("PassengerMaxDataBufferSize", Effect::FILE_REFUSED, "all applications'", sums.all,
                      "the most that they may have are " + megabytes(all));
    }
    // Without a limit of its own, an application leaves to others as much as it has of the room.
    const std::uint64_t room = roomIn(space);
    if (limits_.app ? *limits_.app > 0 && sums.app > *limits_.app : room > 0 && sums.app > less(room, sums.all)) {
        return beyond("PassengerMaxDataBufferSizePerApp", Effect::FILE_OF_APP_REFUSED, "the application's", sums.app,
                      "the most that they may have are " +
                          megabytes(limits_.app ? *limits_.app : less(room, sums.all - sums.app) / 2));
    }
    return std::nullopt;
}

/** The space of the file system as if there were no spool files. @param counted the bytes of the
 *  files now */
std::optional<SpoolQuota::Space> SpoolQuota::spaceWithout(std::uint64_t counted) {
    const MonotonicTime now = parts_.clock.now();
    {
        const LockGuard guard(mutex_);
        if (measuredAt_ && now - *measuredAt_ < LOOK_INTERVAL) {
            return space_;
        }
        // Other threads use the old value meanwhile: a file system may answer slowly.
        measuredAt_ = now;
    }
    std::optional<Space> space = parts_.measure(folder_);
    if (space) {
        space->available += counted;
    }
    const LockGuard guard(mutex_);
    space_ = space;
    return space;
}

/** Whether the rows of dead children may be looked for now. */
bool SpoolQuota::maySweep() {
    const MonotonicTime now = parts_.clock.now();
    const LockGuard guard(mutex_);
    if (sweptAt_ && now - *sweptAt_ < LOOK_INTERVAL) {
        return false;
    }
    sweptAt_ = now;
    return true;
}

std::optional<SpoolQuota::Space> SpoolQuota::measure(const std::string &folder) {
    struct statvfs status {};
    if (statvfs(folder.c_str(), &status) != 0) {
        return std::nullopt;
    }
    return Space{std::uint64_t{status.f_blocks} * status.f_frsize, std::uint64_t{status.f_bavail} * status.f_frsize};
}

}  // namespace Passenger
