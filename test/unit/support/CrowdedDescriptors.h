#pragma once

#include <linux/capability.h>
#include <sys/resource.h>

#include <array>

#include "base/FileDescriptor.h"

namespace Passenger {

/**
 * While it lives, more of this user's descriptors are on their way in sockets than a process may have open, so that none can be sent.
 * Takes rights away from the calling thread meanwhile, with which root could send all the same.
 */
class CrowdedDescriptors {
public:
    CrowdedDescriptors();
    ~CrowdedDescriptors();
    CrowdedDescriptors(const CrowdedDescriptors &) = delete;
    CrowdedDescriptors &operator=(const CrowdedDescriptors &) = delete;

private:
    DescriptorPair socket_;
    rlimit limit_{};
    std::array<__user_cap_data_struct, 2> rights_{};
};

}  // namespace Passenger
