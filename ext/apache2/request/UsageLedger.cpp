#include "apache2/request/UsageLedger.h"

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <utility>

#include "base/Exceptions.h"
#include "shm/Layouts.h"

namespace Passenger {

namespace {

// The children of one httpd can have modules of different versions, since a reload loads another
// one. A change of the layout needs a new number.
constexpr std::uint32_t MAGIC = memoryMagic('P', 'S', 'P', '3');
constexpr std::size_t ROWS_IN_USE = offsetof(MemoryHeader, extra);
/** More than any child counts. A child that writes larger numbers does not overflow a sum. */
constexpr std::uint64_t MAX_BYTES = std::uint64_t{1} << 48;
constexpr std::uint64_t MAX_USES = std::uint64_t{1} << 20;

std::uint64_t load(std::uint64_t &word) noexcept {
    return std::atomic_ref(word).load();
}

void store(std::uint64_t &word, std::uint64_t value) noexcept {
    std::atomic_ref(word).store(value);
}

}  // namespace

SharedMemory UsageLedger::make() {
    SharedMemory memory("passenger-spool", SIZE, MAGIC, ROWS);
    Secret secret;
    throwUnless(getentropy(secret.data(), secret.size()) == 0, "getentropy");
    memory.write(secret.data(), secret.size(), SECRET);
    return memory;
}

UsageLedger::UsageLedger(FileDescriptor memory)
    : memory_(std::move(memory)), mapping_(memory_, SIZE, Mapping::Access::READ_WRITE) {
    const auto &header = *mapping_.at<MemoryHeader>(0);
    if (header.magic != MAGIC || header.capacity != ROWS) {
        throw ProtocolException("the memory for the counts of spool files has another layout");
    }
    // For subtract(), which cannot fail.
    free_.reserve(ENTRIES);
    own_ = takeRow();
}

UsageLedger::~UsageLedger() {
    clear(own_);
    lock(own_, F_UNLCK);
}

std::uint32_t UsageLedger::takeRow() {
    for (std::uint32_t number = 0; number < ROWS; number++) {
        if (lock(number, F_WRLCK)) {
            clear(number);
            std::atomic_ref inUse(*mapping_.at<std::uint32_t>(ROWS_IN_USE));
            std::uint32_t known = inUse.load();
            while (known <= number && !inUse.compare_exchange_weak(known, number + 1)) {
            }
            return number;
        }
    }
    throw IOException("4,096 httpd children count spool files already, the most that can: lower ServerLimit");
}

/** Locks or unlocks a row, without waiting. @return false: another process has the lock */
bool UsageLedger::lock(std::uint32_t number, short type) const noexcept {
    struct flock range {};
    range.l_type = type;
    range.l_whence = SEEK_SET;
    range.l_start = number;
    range.l_len = 1;
    return fcntl(memory_.get(), F_SETLK, &range) == 0;
}

std::uint32_t UsageLedger::rows() const noexcept {
    return std::min(std::atomic_ref(*mapping_.at<std::uint32_t>(ROWS_IN_USE)).load(), ROWS);
}

/** The caller has the row's lock. @return whether it counted anything */
bool UsageLedger::clear(std::uint32_t number) noexcept {
    bool any = false;
    Row &cleared = row(number);
    const std::uint64_t used = std::min<std::uint64_t>(load(cleared.used), ENTRIES);
    for (std::uint64_t index = 0; index < used; index++) {
        Entry &entry = cleared.entries[index];
        any = any || counts(entry);
        store(entry.bytes, 0);
        for (std::uint64_t &use : entry.uses) {
            store(use, 0);
        }
        store(entry.app, 0);
    }
    for (std::uint64_t &use : cleared.uses) {
        store(use, 0);
    }
    store(cleared.used, 0);
    return any;
}

/** Whether the entry is needed. */
bool UsageLedger::counts(Entry &entry) noexcept {
    return load(entry.bytes) > 0 || std::ranges::any_of(entry.uses, [](std::uint64_t &use) { return load(use) > 0; });
}

/** The entry of an application, perhaps a new one. Null: all are in use. */
UsageLedger::Entry *UsageLedger::entryFor(std::uint64_t app) {
    if (Entry *known = knownEntry(app)) {
        return known;
    }
    Row &own = row(own_);
    std::uint64_t index = load(own.used);
    if (!free_.empty()) {
        index = free_.back();
    } else if (index >= ENTRIES) {
        return nullptr;
    }
    entryOf_.emplace(app, static_cast<std::uint32_t>(index));
    if (!free_.empty()) {
        free_.pop_back();
    }
    store(own.entries[index].app, app);
    store(own.used, std::max(load(own.used), index + 1));
    return &own.entries[index];
}

UsageLedger::Entry *UsageLedger::knownEntry(std::uint64_t app) noexcept {
    const auto known = entryOf_.find(app);
    return known == entryOf_.end() ? nullptr : &row(own_).entries[known->second];
}

void UsageLedger::freeIfUnused(Entry &entry) noexcept {
    if (counts(entry)) {
        return;
    }
    const auto known = entryOf_.find(load(entry.app));
    store(entry.app, 0);
    free_.push_back(known->second);
    entryOf_.erase(known);
}

bool UsageLedger::add(std::uint64_t app, std::uint64_t bytes) {
    const LockGuard guard(mutex_);
    Entry *entry = entryFor(app);
    if (entry == nullptr) {
        return false;
    }
    std::atomic_ref(entry->bytes) += bytes;
    return true;
}

void UsageLedger::subtract(std::uint64_t app, std::uint64_t bytes) noexcept {
    const LockGuard guard(mutex_);
    if (Entry *entry = knownEntry(app)) {
        const std::uint64_t had = load(entry->bytes);
        store(entry->bytes, had - std::min(had, bytes));
        freeIfUnused(*entry);
    }
}

bool UsageLedger::addUse(std::uint64_t app, Use use) {
    const LockGuard guard(mutex_);
    Entry *entry = entryFor(app);
    if (entry == nullptr) {
        return false;
    }
    std::atomic_ref(of(*entry, use))++;
    std::atomic_ref(of(row(own_), use))++;
    return true;
}

void UsageLedger::removeUse(std::uint64_t app, Use use) noexcept {
    const LockGuard guard(mutex_);
    if (Entry *entry = knownEntry(app); entry != nullptr && load(of(*entry, use)) > 0) {
        std::atomic_ref(of(*entry, use))--;
        std::atomic_ref(of(row(own_), use))--;
        freeIfUnused(*entry);
    }
}

/** Each request asks. So the entries of a child without such a use are not read. */
std::uint64_t UsageLedger::uses(std::uint64_t app, Use use) const noexcept {
    std::uint64_t sum = 0;
    const std::uint32_t end = rows();
    for (std::uint32_t number = 0; number < end; number++) {
        Row &counted = row(number);
        const std::uint64_t used =
            load(of(counted, use)) == 0 ? 0 : std::min<std::uint64_t>(load(counted.used), ENTRIES);
        for (std::uint64_t index = 0; index < used; index++) {
            Entry &entry = counted.entries[index];
            sum += load(entry.app) == app ? std::min(load(of(entry, use)), MAX_USES) : 0;
        }
    }
    return sum;
}

UsageLedger::Sums UsageLedger::sums(std::uint64_t app) const noexcept {
    Sums sums;
    const std::uint32_t end = rows();
    for (std::uint32_t number = 0; number < end; number++) {
        Row &counted = row(number);
        const std::uint64_t used = std::min<std::uint64_t>(load(counted.used), ENTRIES);
        for (std::uint64_t index = 0; index < used; index++) {
            Entry &entry = counted.entries[index];
            const std::uint64_t bytes = std::min(load(entry.bytes), MAX_BYTES);
            sums.all += bytes;
            sums.app += load(entry.app) == app ? bytes : 0;
        }
    }
    return sums;
}

void UsageLedger::count(Effect effect) noexcept {
    std::atomic_ref(countOf(effect))++;
}

std::uint64_t UsageLedger::counted(Effect effect) const noexcept {
    return load(countOf(effect));
}

bool UsageLedger::dropDead() noexcept {
    if (dropping_.test_and_set()) {
        return false;
    }
    bool any = false;
    const std::uint32_t end = rows();
    for (std::uint32_t number = 0; number < end; number++) {
        // This process has the lock of its own row, and would get it again.
        if (number != own_ && load(row(number).used) > 0 && lock(number, F_WRLCK)) {
            any = clear(number) || any;
            lock(number, F_UNLCK);
        }
    }
    dropping_.clear();
    return any;
}

}  // namespace Passenger
