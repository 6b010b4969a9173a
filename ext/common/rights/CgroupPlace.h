#pragma once

#include <string>

#include <tl/expected.hpp>

namespace Passenger {

/**
 * Finds the control group (cgroup v2) in which this process may make groups of its own. That is
 * the root group of its hierarchy; the group that it is in, or the parent of that, if the service
 * manager has delegated it (systemd: Delegate=yes); or its own group, if no systemd runs. An
 * ordinary user has to own the group. The parent comes first: a group has no controllers to give
 * while it has processes of its own.
 *
 * Reads files only.
 */
class CgroupPlace {
public:
    /** The kernel's texts about this process. For tests. */
    struct Facts {
        /** /proc/self/mountinfo */
        std::string mounts;
        /** /proc/self/cgroup */
        std::string membership;
        bool systemd = false;

        static Facts ofThisProcess();
    };

    /** @return the folder; or why there is none, for people */
    static tl::expected<std::string, std::string> find(const Facts &facts);
    /** Whether systemd has delegated the group: its processes are those of the unit. */
    static bool isMarked(const std::string &folder);
};

}  // namespace Passenger
