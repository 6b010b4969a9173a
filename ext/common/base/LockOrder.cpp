#include "base/LockOrder.h"

#ifdef PASSENGER_DEVELOPMENT

#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>

namespace Passenger {

namespace {

/** The lock of each level that this thread holds; there can be only one. Without a destructor, so that the module may be unloaded. */
constinit thread_local std::array<const char *, LOCK_LEVELS> held{};

/** Without the log: that has a lock itself, and httpd's children do not have it. */
[[noreturn]] void abortOver(const char *what, const char *happens, const char *other) noexcept {
    std::array<char, 256> line;
    const int length =
        std::snprintf(line.data(), line.size(),
                      "[passenger:crit] [pid %d] event=lock.misuse error=\"%s%s by a thread that holds %s\"\n",
                      ::getpid(), what, happens, other);
    // Should that fail: an abort says it too, if less clearly.
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
