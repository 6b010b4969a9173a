#include "rights/CgroupPlace.h"

#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>
#include <string_view>

#include "base/FileContent.h"
#include "base/Split.h"
#include "rights/Cgroups.h"

namespace Passenger {

namespace {

constexpr uid_t ROOT = 0;

struct Mount {
    /** The part of the hierarchy that is mounted. */
    std::string root;
    std::string folder;
    bool readOnly = false;
};

/** The last mount of cgroup2 (proc(5), /proc/PID/mountinfo); no folder: there is none. */
Mount mountIn(const std::string &mounts) {
    Mount found;
    for (const std::string &line : split(mounts, '\n')) {
        std::istringstream words(line);
        std::string skipped;
        std::string options;
        Mount mount;
        words >> skipped >> skipped >> skipped >> mount.root >> mount.folder >> options;
        std::string type;
        while (words >> skipped && skipped != "-") {
        }
        words >> type;
        if (type == "cgroup2") {
            const auto flags = split(options, ',');
            mount.readOnly = std::find(flags.begin(), flags.end(), "ro") != flags.end();
            found = mount;
        }
    }
    return found;
}

/** The path of this process's group; empty: the kernel has no cgroup v2. */
std::string groupIn(const std::string &membership) {
    constexpr std::string_view UNIFIED = "0::";
    for (const std::string &line : split(membership, '\n')) {
        if (line.starts_with(UNIFIED)) {
            return line.substr(UNIFIED.size());
        }
    }
    return "";
}

/** Whether the service manager leaves what is below the group to this process. */
bool isDelegated(const std::string &folder) {
    struct stat status {};
    if (::geteuid() == ROOT) {
        return CgroupPlace::isMarked(folder);
    }
    return ::stat(folder.c_str(), &status) == 0 && status.st_uid == ::geteuid() &&
           ::access((folder + "/cgroup.procs").c_str(), W_OK) == 0;
}

}  // namespace

bool CgroupPlace::isMarked(const std::string &folder) {
    char value = 0;
    return ::getxattr(folder.c_str(), "user.delegate", &value, 1) == 1 && value == '1';
}

CgroupPlace::Facts CgroupPlace::Facts::ofThisProcess() {
    return {fileContent("/proc/self/mountinfo"), fileContent("/proc/self/cgroup"),
            ::access("/run/systemd/system", F_OK) == 0};
}

tl::expected<std::string, std::string> CgroupPlace::find(const Facts &facts) {
    const Mount mount = mountIn(facts.mounts);
    std::string group = groupIn(facts.membership);
    if (mount.folder.empty() || group.empty()) {
        return tl::unexpected<std::string>("cgroup v2 is not mounted");
    }
    if (mount.readOnly) {
        return tl::unexpected(mount.folder + " is mounted read-only");
    }
    if (mount.root != "/") {
        if (!(group + "/").starts_with(mount.root + "/")) {
            return tl::unexpected("the group " + group + " of this process is not below " + mount.folder);
        }
        group.erase(0, mount.root.size());
    }
    if (group.find("/..") != std::string::npos) {
        return tl::unexpected<std::string>("the group of this process is outside of its cgroup namespace");
    }
    if ((group.empty() || group == "/") && ::geteuid() == ROOT) {
        return mount.folder;
    }
    const std::string own = mount.folder + (group == "/" ? "" : group);
    const std::string parent = own.substr(0, own.rfind('/'));
    // An ordinary user may own groups above that of its service, as those of systemd --user are.
    const bool partOfService = CgroupPlace::isMarked(parent) || own.ends_with(Cgroups::HTTPD);
    if (parent.size() > mount.folder.size() && partOfService && isDelegated(parent)) {
        return parent;
    }
    if (isDelegated(own) || (!facts.systemd && ::geteuid() == ROOT)) {
        return own;
    }
    return tl::unexpected(
        "the group " + own +
        " is not delegated to httpd; systemd does so by Delegate=yes in the [Service] section of httpd's unit");
}

}  // namespace Passenger
