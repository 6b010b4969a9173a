#include "base/ThreadCapabilities.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/Exceptions.h"
#include "base/FileContent.h"
#include "base/Split.h"

namespace Passenger {

namespace {

/** The calling thread, and sets of 64 capabilities. */
__user_cap_header_struct thisThread() {
    return {_LINUX_CAPABILITY_VERSION_3, 0};
}

using Masks = std::array<std::uint32_t, _LINUX_CAPABILITY_U32S_3>;

Masks masksOf(std::initializer_list<unsigned> capabilities) {
    Masks masks{};
    for (const unsigned capability : capabilities) {
        masks.at(CAP_TO_INDEX(capability)) |= CAP_TO_MASK(capability);
    }
    return masks;
}

void use(const std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> &sets) {
    __user_cap_header_struct header = thisThread();
    throwUnless(::syscall(SYS_capset, &header, sets.data()) == 0, "capset");
}

}  // namespace

ThreadCapabilities::ThreadCapabilities() {
    __user_cap_header_struct header = thisThread();
    throwUnless(::syscall(SYS_capget, &header, sets_.data()) == 0, "capget");
}

void ThreadCapabilities::limit(std::initializer_list<unsigned> capabilities) const {
    const auto kept = masksOf(capabilities);
    Sets limited = sets_;
    for (std::size_t i = 0; i < limited.size(); ++i) {
        limited.at(i).effective &= kept.at(i);
    }
    use(limited);
}

void ThreadCapabilities::keepOnly(std::initializer_list<unsigned> capabilities) const {
    const auto kept = masksOf(capabilities);
    Sets limited = sets_;
    for (std::size_t i = 0; i < limited.size(); ++i) {
        limited.at(i).permitted &= kept.at(i);
        limited.at(i).effective = limited.at(i).permitted;
        // The kernel takes from the ambient set what is not inheritable.
        limited.at(i).inheritable = 0;
    }
    use(limited);
}

void ThreadCapabilities::restore() const noexcept {
    __user_cap_header_struct header = thisThread();
    static_cast<void>(::syscall(SYS_capset, &header, sets_.data()));
}

bool hasCapability(unsigned capability) {
    const std::string effective = afterLabel(fileContent("/proc/thread-self/status"), "CapEff:");
    return (std::strtoull(effective.c_str(), nullptr, 16) >> capability & 1) != 0;
}

}  // namespace Passenger
