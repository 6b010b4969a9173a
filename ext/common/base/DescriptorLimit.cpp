#include "base/DescriptorLimit.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <limits>
#include <system_error>

namespace Passenger {

std::size_t descriptorLimit() noexcept {
    rlimit limit{};
    return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : std::numeric_limits<std::size_t>::max();
}

std::size_t openDescriptors() noexcept {
    // Linux 6.2 and newer tell the number as the folder's size, older ones 0. Thousands of entries
    // take milliseconds to list.
    struct stat folder {};
    if (::stat("/proc/self/fd", &folder) == 0 && folder.st_size > 0) {
        return static_cast<std::size_t>(folder.st_size);
    }
    std::error_code error;
    std::size_t count = 0;
    for (std::filesystem::directory_iterator next("/proc/self/fd", error), end; !error && next != end;
         next.increment(error)) {
        count++;
    }
    // The listing has a descriptor of its own.
    return count > 0 ? count - 1 : 0;
}

std::string explainDescriptorLimit() {
    return "RLIMIT_NOFILE of " + std::string(program_invocation_short_name) + ", pid " + std::to_string(::getpid()) +
           ", is " + std::to_string(descriptorLimit()) +
           "; raise the limit of httpd's service (systemd: LimitNOFILE=; Debian: also "
           "APACHE_ULIMIT_MAX_FILES in /etc/apache2/envvars; a shell: ulimit -n)";
}

}  // namespace Passenger
