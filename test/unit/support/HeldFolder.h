#pragma once

#include <sys/types.h>

#include <array>
#include <string>

namespace Passenger {

/**
 * A folder whose lock in the kernel is held during this object's lifetime, as a program of any user
 * can hold it. Who looks for a name in the folder that nobody has looked for before waits, and does
 * not end by a signal. Needs root here, for userfaultfd(2).
 */
class HeldFolder {
public:
    /** @param path a folder that exists */
    explicit HeldFolder(const std::string &path);
    ~HeldFolder();
    HeldFolder(const HeldFolder &) = delete;
    HeldFolder &operator=(const HeldFolder &) = delete;

    /** Not, if the system refuses it. */
    bool holds() const noexcept { return holds_; }

private:
    /** One lists the folder into a page of memory that never comes. The other one waits to write,
     *  and the kernel lets no further reader in before. */
    std::array<pid_t, 2> processes_{};
    bool holds_ = false;
};

}  // namespace Passenger
