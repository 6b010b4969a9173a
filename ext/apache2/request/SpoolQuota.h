#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "apache2/request/UsageLedger.h"
#include "base/Clock.h"
#include "base/Exceptions.h"
#include "base/Mutex.h"
#include "control/ServerStatus.h"

namespace Passenger {

/** A spool file may not grow now. what() names the limit, its value, and the directive. */
class SpoolQuotaExceeded : public SystemException {
public:
    /** @param directive static storage */
    SpoolQuotaExceeded(const std::string &reason, const char *directive)
        : SystemException(reason, ENOSPC), directive_(directive), reason_(reason) {}

    const char *what() const noexcept override { return reason_.c_str(); }
    const char *directive() const noexcept { return directive_; }

private:
    const char *directive_;
    std::string reason_;
};

/**
 * Decides whether spool files, those in PassengerDataBufferDir, may grow. The files of the whole
 * server have a limit (PassengerMaxDataBufferSize), the files of each application have one
 * (PassengerMaxDataBufferSizePerApp), and all leave a part of the disk free
 * (PassengerMinDataBufferFreeSpace). So an application fills neither the disk nor the room that the
 * files of other applications need.
 *
 * The object asks for the free space of the disk once a second. In between it knows from the ledger
 * what the children write. One for each httpd child, owned by Child. Thread-safe.
 */
class SpoolQuota {
public:
    /** In bytes; 0: no such limit. Nothing: the default, of which take() has the rule. */
    struct Limits {
        std::optional<std::uint64_t> all;
        std::optional<std::uint64_t> app;
        std::optional<std::uint64_t> free;
    };
    /** The space of a file system, in bytes. */
    struct Space {
        std::uint64_t size;
        std::uint64_t available;
    };
    struct Parts {
        /** May be null: nothing is counted, and no limit holds. */
        UsageLedger *ledger;
        /** The key of an application in the ledger, not 0. */
        std::uint64_t (*keyOf)(std::string_view app, const UsageLedger::Secret &secret);
        const Clock &clock;
        /** Nothing: it is unknown. */
        std::optional<Space> (*measure)(const std::string &folder);
    };

    /** @param folder that the files are in */
    SpoolQuota(const Parts &parts, const Limits &limits, std::string folder)
        : parts_(parts), limits_(limits), folder_(std::move(folder)) {}

    const std::string &folder() const noexcept { return folder_; }
    std::uint64_t keyOf(std::string_view app) const {
        return parts_.ledger == nullptr ? 0 : parts_.keyOf(app, parts_.ledger->secret());
    }
    /**
     * Counts the bytes of an application, which is about to write them. All files together may have
     * three quarters of the room that there would be without them, unless a limit is given. Without
     * a limit of its own, one application may have as much of the room as it leaves to the others:
     * half of it if it is alone. The room is the lesser of that limit and of the space above the
     * part of the disk that stays free.
     * @throws SpoolQuotaExceeded (nothing is counted then)
     */
    void take(std::uint64_t app, std::uint64_t bytes) EXCLUDES(mutex_);
    void giveBack(std::uint64_t app, std::uint64_t bytes) noexcept;
    /** Counts what another limit has done, where all children count. */
    void count(UsageLedger::Effect effect) noexcept;
    /** Nothing: nothing is counted. */
    std::optional<SpoolStatus> use() EXCLUDES(mutex_);

    /** Asks the kernel. */
    static std::optional<Space> measure(const std::string &folder);

private:
    /** A limit that the sums exceed. */
    struct Excess {
        const char *directive;
        UsageLedger::Effect effect;
        std::string reason;
    };
    std::uint64_t reserveOf(const Space &space) const noexcept;
    std::uint64_t limitOf(const std::optional<Space> &space) const noexcept;
    std::uint64_t roomIn(const std::optional<Space> &space) const noexcept;
    std::optional<Excess> excess(const UsageLedger::Sums &sums, std::uint64_t added) EXCLUDES(mutex_);
    std::optional<Space> spaceWithout(std::uint64_t counted) EXCLUDES(mutex_);
    bool maySweep() EXCLUDES(mutex_);

    const Parts parts_;
    const Limits limits_;
    const std::string folder_;
    Mutex mutex_{Locks::SPOOL_QUOTA};
    std::optional<MonotonicTime> measuredAt_ GUARDED_BY(mutex_);
    /** The file system as if there were no spool files. */
    std::optional<Space> space_ GUARDED_BY(mutex_);
    std::optional<MonotonicTime> sweptAt_ GUARDED_BY(mutex_);
};

}  // namespace Passenger
