#include "base/FileContent.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/FileDescriptor.h"

namespace Passenger {

namespace {

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

}  // namespace

std::string fileContent(const std::string &path, std::size_t most) {
    std::string content = contentOf(FileDescriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC)), most);
    content.resize(std::min(content.size(), most));
    return content;
}

std::string regularFileContent(const std::string &path, std::size_t most) {
    const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    struct stat facts {};
    if (!file || ::fstat(file.get(), &facts) != 0 || !S_ISREG(facts.st_mode)) {
        return "";
    }
    std::string content = contentOf(file, most);
    return content.size() <= most ? content : "";
}

}  // namespace Passenger
