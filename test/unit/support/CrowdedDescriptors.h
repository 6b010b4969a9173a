#pragma once

#include <linux/capability.h>
#include <sys/resource.h>

#include <array>

#include "base/FileDescriptor.h"

namespace Passenger {

/**
 * During its lifetime, so many of this user's descriptors are in flight in sockets that no further
 * one can be sent: the limit is that of open descriptors. Meanwhile the calling thread lacks the
 * capabilities by which root could send nevertheless.
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
