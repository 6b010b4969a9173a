#include "base/FileContent.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/FileDescriptor.h"

namespace Passenger {

namespace {

/** Opens no device for good, and does not wait for the other end of a FIFO. */
constexpr int CAREFULLY = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

std::string contentOf(const FileDescriptor &file, std::size_t most) {
    std::string content;
    std::array<char, 4096> buffer;
    while (file && content.size() <= most) {
        const ssize_t size = ::read(file.get(), buffer.data(), buffer.size());
        if (size > 0) {
            content.append(buffer.data(), static_cast<std::size_t>(size));
        } else if (size == 0 || errno != EINTR) {
            break;
        }
    }
    return content;
}

using Reason = tl::unexpected<std::string>;

Reason systemReason() {
    return Reason(std::strerror(errno));
}

tl::expected<std::string, std::string> regularContentOf(const FileDescriptor &file, std::size_t most) {
    struct stat facts {};
    if (!file || ::fstat(file.get(), &facts) != 0) {
        return systemReason();
    }
    if (!S_ISREG(facts.st_mode)) {
        return Reason("it is no regular file");
    }
    std::string content = contentOf(file, most);
    if (content.size() > most) {
        return Reason("it is longer than " + std::to_string(most) + " bytes");
    }
    return content;
}

/** The file, unless it is of another user than the folder. */
tl::expected<FileDescriptor, std::string> openBehindLink(const FileDescriptor &folder, const std::string &name) {
    FileDescriptor file(::openat(folder.get(), name.c_str(), CAREFULLY));
    struct stat owner {};
    struct stat facts {};
    if (!file || ::fstat(folder.get(), &owner) != 0 || ::fstat(file.get(), &facts) != 0) {
        return systemReason();
    }
    if (owner.st_uid != 0 && owner.st_uid != facts.st_uid) {
        return Reason("it is a link to a file of another user than the folder's");
    }
    return file;
}

}  // namespace

std::string fileContent(const std::string &path, std::size_t most) {
    std::string content = contentOf(FileDescriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC)), most);
    content.resize(std::min(content.size(), most));
    return content;
}

std::string regularFileContent(const std::string &path, std::size_t most) {
    return regularContentOf(FileDescriptor(::open(path.c_str(), CAREFULLY)), most).value_or("");
}

tl::expected<std::string, std::string> ownersFileContent(const std::string &path, std::size_t most) {
    const std::size_t slash = path.rfind('/') + 1;
    const std::string name = path.substr(slash);
    const FileDescriptor folder(
        ::open(slash == 0 ? "." : path.substr(0, slash).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!folder) {
        return systemReason();
    }
    FileDescriptor file(::openat(folder.get(), name.c_str(), CAREFULLY | O_NOFOLLOW));
    if (!file && errno == ELOOP) {
        auto linked = openBehindLink(folder, name);
        if (!linked) {
            return Reason(std::move(linked.error()));
        }
        file = *std::move(linked);
    }
    return regularContentOf(file, most);
}

}  // namespace Passenger
