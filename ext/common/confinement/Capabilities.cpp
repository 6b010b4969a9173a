#include "confinement/Capabilities.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>

#include "base/Exceptions.h"

namespace Passenger::Capabilities {

void keepOnly(std::initializer_list<unsigned> capabilities) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
    if (::syscall(SYS_capget, &header, sets.data()) != 0) {
        throw SystemException("capget", errno);
    }
    std::array<std::uint32_t, _LINUX_CAPABILITY_U32S_3> kept{};
    for (const unsigned capability : capabilities) {
        kept.at(CAP_TO_INDEX(capability)) |= CAP_TO_MASK(capability);
    }
    for (std::size_t i = 0; i < sets.size(); ++i) {
        sets[i].permitted &= kept[i];
        sets[i].effective = sets[i].permitted;
        // The kernel takes from the ambient set what is not inheritable.
        sets[i].inheritable = 0;
    }
    if (::syscall(SYS_capset, &header, sets.data()) != 0) {
        throw SystemException("capset", errno);
    }
}

}  // namespace Passenger::Capabilities
