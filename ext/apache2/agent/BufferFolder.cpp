#include "apache2/agent/BufferFolder.h"

#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include <fmt/format.h>

extern "C" {
#include <unixd.h>
}

namespace Passenger {

namespace {

/** An errno, as this process sees it; 0: it may make files there. */
int look(const char *folder) noexcept {
    struct stat status {};
    if (stat(folder, &status) != 0) {
        return errno;
    }
    if (!S_ISDIR(status.st_mode)) {
        return ENOTDIR;
    }
    return access(folder, W_OK | X_OK) == 0 ? 0 : errno;
}

/** The groups that httpd gives its children. */
std::vector<gid_t> groupsOfChildren() {
    int count = 64;
    std::vector<gid_t> groups(static_cast<std::size_t>(count));
    if (getgrouplist(ap_unixd_config.user_name, ap_unixd_config.group_id, groups.data(), &count) < 0) {
        groups.resize(static_cast<std::size_t>(count));
        getgrouplist(ap_unixd_config.user_name, ap_unixd_config.group_id, groups.data(), &count);
    }
    groups.resize(static_cast<std::size_t>(count));
    return groups;
}

/** Calls look() as httpd's user, in a process of its own. 0 also if that process cannot be made. */
int lookAsChild(const char *folder) {
    const std::vector<gid_t> groups = groupsOfChildren();
    const pid_t child = fork();
    if (child == 0) {
        const bool became = setgroups(groups.size(), groups.data()) == 0 && setgid(ap_unixd_config.group_id) == 0 &&
                            setuid(ap_unixd_config.user_id) == 0;
        _exit(became ? look(folder) : 0);
    }
    int status = 0;
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return child > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}

}  // namespace

std::string bufferFolderRefusal(const Settings &settings) {
    const char *folder = settings.dataBufferDir.given.value_or(nullptr);
    // The children of a httpd with ChrootDir see other folders.
    if (folder == nullptr || ap_unixd_config.chroot_dir != nullptr) {
        return "";
    }
    const bool switches = geteuid() == 0 && ap_unixd_config.user_name != nullptr;
    const int error = switches ? lookAsChild(folder) : look(folder);
    // A user who only tests the configuration of another user's httpd may not write there. A
    // service's own folder (systemd's PrivateTmp) is not visible in the test.
    const bool onlyTests = ap_state_query(AP_SQ_RUN_MODE) == AP_SQ_RM_CONFIG_TEST;
    const bool inTmp = std::strncmp(folder, "/tmp/", 5) == 0 || std::strncmp(folder, "/var/tmp/", 9) == 0;
    if (error == 0 || (onlyTests && ((error == EACCES && !switches) || (error == ENOENT && inTmp)))) {
        return "";
    }
    const char *user = switches ? ap_unixd_config.user_name : "this user";
    const std::string remedy = error == ENOENT    ? fmt::format("make it (install -d -o {} -m 700 {})", user, folder)
                               : error == ENOTDIR ? "name a folder"
                               : error == EROFS   ? "name a folder on a file system that can be written"
                                                  : "give that user the permission to write there (chown), and to "
                                                    "enter the folders above it (chmod o+x)";
    return fmt::format(
        "PassengerDataBufferDir \"{}\": httpd's user ({}) cannot make files there: {}; {}, or remove the "
        "directive for /var/tmp",
        folder, user, std::strerror(error), remedy);
}

}  // namespace Passenger
