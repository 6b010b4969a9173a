#include "base/DescriptorLimit.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <limits>

namespace Passenger {

std::size_t descriptorLimit() noexcept {
    rlimit limit{};
    return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : std::numeric_limits<std::size_t>::max();
}

std::string explainDescriptorLimit() {
    return "RLIMIT_NOFILE of " + std::string(program_invocation_short_name) + ", pid " + std::to_string(::getpid()) +
           ", is " + std::to_string(descriptorLimit()) +
           "; raise the limit of httpd's service (systemd: LimitNOFILE=; a shell: ulimit -n)";
}

}  // namespace Passenger
