#include "base/FileContent.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/FileDescriptor.h"

namespace Passenger {

std::string fileContent(const std::string &path) {
    const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    std::string content;
    std::array<char, 4096> buffer;
    while (file) {
        const ssize_t size = ::read(file.get(), buffer.data(), buffer.size());
        if (size > 0) {
            content.append(buffer.data(), static_cast<std::size_t>(size));
        } else if (size == 0 || errno != EINTR) {
            break;
        }
    }
    return content;
}

}  // namespace Passenger
