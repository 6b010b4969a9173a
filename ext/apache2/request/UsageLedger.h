#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "base/FileDescriptor.h"
#include "base/Mutex.h"
#include "shm/Mapping.h"
#include "shm/SharedMemory.h"

namespace Passenger {

/**
 * The bytes that all httpd children have in spool files, and some of their threads, by application.
 * The children share the memory. Each has a row, which it alone writes, and a file
 * lock on the row, which ends with the process. So the row of a dead child is known. The child that
 * takes the row next clears it, and so does dropDead(): its counts do not last for ever.
 *
 * The memory is for httpd's children alone: an instance and the agent have no descriptor of it. At
 * most one object in each process, since a process has each file lock once. Thread-safe.
 */
class UsageLedger {
public:
    static constexpr std::uint32_t ROWS = 4096;
    /** Applications that one child can count at once. */
    static constexpr std::uint32_t ENTRIES = 1023;
    /** Keeps applications from choosing names whose keys are the same. */
    using Secret = std::array<unsigned char, 16>;

    /** Effects of httpd's limits, which the status counts. Their numbers are places in the memory.
     *  FILE_REFUSED: the files of all applications may not grow. */
    enum class Effect {
        FILE_REFUSED,
        HIJACK_REFUSED,
        CLIENT_CUT,
        FILE_OF_APP_REFUSED,
        FILE_ON_FULL_DISK_REFUSED,
        BODY_IN_PIECES
    };

    /** HttpdThreads::connections and HttpdThreads::streams. */
    enum class Use { CONNECTION, STREAM };
    static constexpr std::size_t USES = 2;

    struct Sums {
        std::uint64_t all = 0;
        std::uint64_t app = 0;
    };

    /** The memory of a server. httpd's parent makes it. @throws SystemException */
    static SharedMemory make();
    /**
     * Takes a row.
     * @param memory a descriptor of make()'s memory. The lock on the row ends when this process
     *     closes any descriptor of the memory
     * @throws SystemException, ProtocolException (not such memory), IOException (no row is free)
     */
    explicit UsageLedger(FileDescriptor memory);
    ~UsageLedger();
    UsageLedger(const UsageLedger &) = delete;
    UsageLedger &operator=(const UsageLedger &) = delete;

    const Secret &secret() const noexcept { return *mapping_.at<Secret>(SECRET); }
    /** False: this child counts ENTRIES applications already. @param app not 0 */
    bool add(std::uint64_t app, std::uint64_t bytes) EXCLUDES(mutex_);
    /** @param bytes that were added before */
    void subtract(std::uint64_t app, std::uint64_t bytes) noexcept EXCLUDES(mutex_);
    /** Counts a thread of this child. The arguments and the result are those of add(). */
    bool addUse(std::uint64_t app, Use use) EXCLUDES(mutex_);
    /** @param app that addUse() has counted */
    void removeUse(std::uint64_t app, Use use) noexcept EXCLUDES(mutex_);
    /** The threads of all children that the application uses so. */
    std::uint64_t uses(std::uint64_t app, Use use) const noexcept;
    /** The bytes of all children. */
    Sums sums(std::uint64_t app) const noexcept;
    void count(Effect effect) noexcept;
    /** The count of all children since httpd's start. */
    std::uint64_t counted(Effect effect) const noexcept;
    /** Clears the rows of dead children. One system call for each row in use. Does nothing while
     *  another thread does it. @return whether they counted anything */
    bool dropDead() noexcept;

private:
    struct Entry {
        std::uint64_t app;
        std::uint64_t bytes;
        std::uint64_t uses[USES];
    };
    struct Row {
        /** Entries that were ever used, from the first on. */
        std::uint64_t used;
        /** The sums of all entries. */
        std::uint64_t uses[USES];
        Entry entries[ENTRIES];
        std::uint64_t reserved;
    };
    static constexpr std::size_t SECRET = 64;
    static constexpr std::size_t COUNTS = 128;
    static constexpr std::size_t FIRST_ROW = 4096;
    static constexpr std::size_t SIZE = FIRST_ROW + std::size_t{ROWS} * sizeof(Row);
    static_assert(sizeof(Row) == 32768);

    Row &row(std::uint32_t number) const noexcept { return *mapping_.at<Row>(FIRST_ROW + number * sizeof(Row)); }
    std::uint64_t &countOf(Effect effect) const noexcept {
        return *mapping_.at<std::uint64_t>(COUNTS + sizeof(std::uint64_t) * static_cast<std::size_t>(effect));
    }
    std::uint32_t rows() const noexcept;
    bool lock(std::uint32_t number, short type) const noexcept;
    bool clear(std::uint32_t number) noexcept;
    /** @param counts an Entry or a Row */
    template <typename Counts> static std::uint64_t &of(Counts &counts, Use use) noexcept {
        return counts.uses[static_cast<std::size_t>(use)];
    }
    static bool counts(Entry &entry) noexcept;
    Entry *entryFor(std::uint64_t app) REQUIRES(mutex_);
    Entry *knownEntry(std::uint64_t app) noexcept REQUIRES(mutex_);
    void freeIfUnused(Entry &entry) noexcept REQUIRES(mutex_);
    std::uint32_t takeRow();

    const FileDescriptor memory_;
    Mapping mapping_;
    std::uint32_t own_ = 0;
    /** A thread is in dropDead(). The threads of a process have the same file locks: a second one
     *  would get the lock of a row, too, and clear what the row's next child has counted. */
    std::atomic_flag dropping_;
    Mutex mutex_{Locks::USAGE_LEDGER};
    /** The entry of each application that this child counts. */
    std::unordered_map<std::uint64_t, std::uint32_t> entryOf_ GUARDED_BY(mutex_);
    std::vector<std::uint32_t> free_ GUARDED_BY(mutex_);
};

}  // namespace Passenger
