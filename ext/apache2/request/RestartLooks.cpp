#include "apache2/request/RestartLooks.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstddef>
#include <string>

namespace Passenger {

namespace {

bool isMissing(int error) {
    return error == ENOENT || error == ENOTDIR;
}

}  // namespace

RestartLooks::Look RestartLooks::at(std::string_view appRoot, std::string_view restartDir) {
    std::string path;
    if (!restartDir.starts_with('/')) {
        path.append(appRoot).append("/");
    }
    path.append(restartDir).append("/");
    const std::size_t folder = path.size();
    Look look;
    struct stat file {};
    path += "restart.txt";
    if (stat(path.c_str(), &file) == 0) {
        look = {false, file.st_dev, file.st_ino, file.st_mtim.tv_sec, file.st_mtim.tv_nsec};
    } else {
        look.uncertain = !isMissing(errno);
    }
    path.replace(folder, std::string::npos, "always_restart.txt");
    look.uncertain = look.uncertain || stat(path.c_str(), &file) == 0 || !isMissing(errno);
    return look;
}

bool RestartLooks::isNews(std::string_view app, const Look &look) {
    if (look.uncertain) {
        return true;
    }
    const LockGuard guard(mutex_);
    const Look *known = settled_.find(app);
    return known == nullptr || *known != look;
}

void RestartLooks::settled(std::string_view app, const Look &look) {
    const LockGuard guard(mutex_);
    settled_.put(app, look);
}

}  // namespace Passenger
