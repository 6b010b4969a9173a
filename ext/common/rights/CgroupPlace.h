#pragma once

#include <string>

#include <tl/expected.hpp>

namespace Passenger {

/**
 * Finds the control group (cgroup v2) in which this process may make groups of its own:
 * - the root group of its hierarchy;
 * - if the service manager has delegated it (systemd: Delegate=yes), the parent of the process's
 *   group, or that group itself. The parent comes first: a group has no controllers to give while
 *   it has processes of its own;
 * - if no systemd runs, the process's group.
 * An ordinary user has to own the group. Its parent is the place only if systemd has marked it, or
 * if the group is the `httpd` that an agent has made below it.
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
