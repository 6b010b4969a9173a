#include "apache2/agent/BufferFolder.h"

#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "apache2/config/Settings.h"
#include "apache2/httpd/Retained.h"

extern "C" {
#include <unixd.h>
}

namespace Passenger::BufferFolder {

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

/** The children of a httpd with ChrootDir see other folders. */
bool isVisible() {
    return ap_unixd_config.chroot_dir == nullptr;
}

/** The directive's value; null: it is not set. */
const char *folderGiven(const server_rec *server) {
    return Settings::of(server).dataBufferDir.given.value_or(nullptr);
}

bool becomesUser() {
    return geteuid() == 0 && ap_unixd_config.user_name != nullptr;
}

int lookForChildren(const char *folder) {
    return becomesUser() ? lookAsChild(folder) : look(folder);
}

/** @return whether a service may have another folder in its place */
bool isInTmp(const char *folder) {
    return std::strncmp(folder, "/tmp/", 5) == 0 || std::strncmp(folder, "/var/tmp/", 9) == 0;
}

std::string remedyFor(const char *folder, int error, const char *user) {
    if (error == ENOENT && isInTmp(folder)) {
        return "name a folder outside of /tmp and /var/tmp, of which a service may have its own (systemd's "
               "PrivateTmp)";
    }
    if (error == ENOENT) {
        return fmt::format("make it (install -d -o {} -m 700 {})", user, folder);
    }
    if (error == ENOTDIR) {
        return "name a folder";
    }
    if (error == EROFS) {
        return "name a folder on a file system that can be written";
    }
    return "give that user the permission to write there (chown), and to enter the folders above it (chmod o+x)";
}

/** @param given whether the directive names the folder */
std::string problemText(const char *folder, bool given, int error) {
    const char *user = becomesUser() ? ap_unixd_config.user_name : "this user";
    const std::string remedy = given ? remedyFor(folder, error, user) + ", or remove the directive for /var/tmp"
                                     : "long uploads fail until the directive names a folder where it can";
    return fmt::format("PassengerDataBufferDir \"{}\": httpd's user ({}) cannot make files there: {}; {}", folder, user,
                       std::strerror(error), remedy);
}

}  // namespace

bool isRefused(server_rec *server) {
    const bool onlyTests = ap_state_query(AP_SQ_RUN_MODE) == AP_SQ_RM_CONFIG_TEST;
    const bool starts = ap_state_query(AP_SQ_RUN_MODE) == AP_SQ_RM_NORMAL && !Retained::isForService();
    const char *folder = folderGiven(server);
    if (folder == nullptr || !isVisible() || (!onlyTests && !starts)) {
        return false;
    }
    const int error = lookForChildren(folder);
    // A user who only tests the configuration of another user's httpd may not write there. A
    // service's own folder is not visible in the test.
    const bool passes =
        error == 0 || (onlyTests && ((error == EACCES && !becomesUser()) || (error == ENOENT && isInTmp(folder))));
    if (!passes) {
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_CRIT, 0, server, "%s", problemText(folder, true, error).c_str());
    } else if (onlyTests && isInTmp(folder)) {
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_WARNING, 0, server,
                     "PassengerDataBufferDir \"%s\": a service may have a /tmp and a /var/tmp of its own (systemd's "
                     "PrivateTmp), in which uploads need this folder",
                     folder);
    }
    return !passes;
}

void logProblem(server_rec *server) {
    const char *folder = Settings::of(server).dataBufferDir.value();
    const int error = isVisible() ? lookForChildren(folder) : 0;
    if (error != 0) {
        const bool given = folderGiven(server) != nullptr;
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, server, "%s", problemText(folder, given, error).c_str());
    }
}

}  // namespace Passenger::BufferFolder
