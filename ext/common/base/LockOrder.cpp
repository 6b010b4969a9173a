#include "base/LockOrder.h"

#ifdef PASSENGER_DEVELOPMENT

#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>

namespace Passenger {

namespace {

/**
 * The one lock of each level that this thread holds. The array has no destructor, so that httpd can
 * unload the module.
 */
constinit thread_local std::array<const char *, LOCK_LEVELS> held{};

/**
 * Does not use the log: the log has a lock of its own, and httpd's children do not link the log.
 */
[[noreturn]] void abortOver(const char *what, const char *happens, const char *other) noexcept {
    std::array<char, 256> line;
    const int length =
        std::snprintf(line.data(), line.size(),
                      "[passenger:crit] [pid %d] event=lock.misuse error=\"%s%s by a thread that holds %s\"\n",
                      ::getpid(), what, happens, other);
    // A failed write is ignored: the abort still reports the error, without the details.
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), static_cast<std::size_t>(length));
    std::abort();
}

}  // namespace

void LockOrder::taking() const noexcept {
    for (int level = rank_.level; level < LOCK_LEVELS; ++level) {
        if (held[level] != nullptr) {
            abortOver(rank_.name, " is taken", held[level]);
        }
    }
    held[rank_.level] = rank_.name;
}

void LockOrder::givingUp() const noexcept {
    held[rank_.level] = nullptr;
}

void LockOrder::assertNoneHeld(const char *doing) noexcept {
    for (const char *const each : held) {
        if (each != nullptr) {
            abortOver(doing, "", each);
        }
    }
}

}  // namespace Passenger

#endif
