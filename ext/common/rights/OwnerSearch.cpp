#include "rights/OwnerSearch.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <utility>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "base/Split.h"

namespace Passenger {

namespace {

/** The kernel's limit. */
constexpr int MOST_LINKS = 40;
/** The group for a user id without a user name, whose groups are unknown. */
constexpr gid_t NO_GROUP = 65534;

void putInFront(std::deque<std::string> &parts, std::string_view path) {
    auto at = parts.begin();
    for (std::string &part : split(path, '/')) {
        if (!part.empty()) {
            at = parts.insert(at, std::move(part)) + 1;
        }
    }
    if (path.ends_with('/')) {
        parts.insert(at, ".");
    }
}

}  // namespace

FindOwner ownersBy(const UserDatabase &database) {
    return [&database](const std::string &path) -> tl::expected<FileOwner, int> {
        if (::geteuid() == 0 && path.starts_with('/')) {
            return OwnerSearch(database).find(path);
        }
        struct stat status {};
        if (::lstat(path.c_str(), &status) != 0) {
            return tl::unexpected(errno);
        }
        return FileOwner{status.st_uid, status.st_gid};
    };
}

tl::expected<FileOwner, int> OwnerSearch::find(std::string_view path) {
    beginAtRoot();
    putInFront(left_, path);
    struct stat status {};
    int error = ::fstat(here_.get(), &status) == 0 ? 0 : errno;
    while (error == 0 && !left_.empty()) {
        const std::string name = std::exchange(left_.front(), "");
        left_.pop_front();
        FileDescriptor next = open(name);
        if (!next || ::fstat(next.get(), &status) != 0) {
            error = errno;
        } else if (S_ISLNK(status.st_mode) && !left_.empty()) {
            error = follow(next, name, status);
        } else {
            here_ = std::move(next);
            path_ += "/" + name;
            lookInto(status.st_uid);
        }
    }
    if (error != 0) {
        return tl::unexpected(error);
    }
    FileOwner owner{status.st_uid, status.st_gid};
    const auto foreign =
        std::find_if(links_.begin(), links_.end(), [&](const Link &link) { return link.owner != status.st_uid; });
    if (foreign != links_.end()) {
        owner.doubt = fmt::format(
            "the link {0} belongs to user {1}, and its target does not: chown -h root {0}, or name the user by "
            "PassengerUser",
            foreign->path, foreign->owner);
    }
    return owner;
}

FileDescriptor OwnerSearch::open(const std::string &name) {
    std::optional<AsUser> user;
    if (looker_ != 0) {
        user.emplace(rightsOf(looker_));
    }
    constexpr int FLAGS = O_PATH | O_NOFOLLOW | O_CLOEXEC;
    if (!left_.empty()) {
        // O_DIRECTORY makes the kernel mount a file system that is mounted at its first use
        // (autofs).
        FileDescriptor folder(::openat(here_.get(), name.c_str(), FLAGS | O_DIRECTORY));
        if (folder || errno != ENOTDIR) {
            return folder;
        }
    }
    return FileDescriptor(::openat(here_.get(), name.c_str(), FLAGS));
}

int OwnerSearch::follow(const FileDescriptor &link, const std::string &name, const struct stat &status) {
    std::array<char, PATH_MAX> target{};
    const ssize_t size = ::readlinkat(link.get(), "", target.data(), target.size());
    if (size < 0 || ++followed_ > MOST_LINKS) {
        return size < 0 ? errno : ELOOP;
    }
    if (status.st_uid != 0) {
        links_.push_back({path_ + "/" + name, status.st_uid});
        looker_ = status.st_uid;
    }
    const std::string_view path(target.data(), static_cast<std::size_t>(size));
    putInFront(left_, path);
    if (path.starts_with('/')) {
        beginAtRoot();
    }
    return 0;
}

void OwnerSearch::beginAtRoot() {
    path_.clear();
    here_.reset(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
    throwUnless(here_, "/");
    lookInto(0);
}

/**
 * After a link of another user than root, the rights of the link's owner are used to the end of the
 * path.
 */
void OwnerSearch::lookInto(uid_t folderOwner) {
    if (links_.empty()) {
        looker_ = folderOwner;
    }
}

/** A user's groups may come from many sources (nsswitch.conf), so only those are looked up that the
 *  search needs. The owner of the path's end needs none. */
const FileRights &OwnerSearch::rightsOf(uid_t uid) {
    if (!rights_ || rights_->uid != uid) {
        const auto user = database_.userWithId(uid);
        rights_ = user ? FileRights::ofUser(user->name, user->uid, user->gid) : FileRights{uid, NO_GROUP, {}};
    }
    return *rights_;
}

}  // namespace Passenger
