#include "support/CapturedLog.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/Exceptions.h"

namespace Passenger {

CapturedLog::CapturedLog()
    : file_(::memfd_create("captured log", MFD_CLOEXEC)), standardError_(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)) {
    // Writes append, as with a log file.
    if (!file_ || !standardError_ || ::fcntl(file_.get(), F_SETFL, O_APPEND) < 0 ||
        ::dup2(file_.get(), STDERR_FILENO) < 0) {
        throw SystemException("capturing the log", errno);
    }
}

CapturedLog::~CapturedLog() {
    ::dup2(standardError_.get(), STDERR_FILENO);
}

std::string CapturedLog::text() const {
    std::string result;
    std::array<char, 4096> buffer;
    for (;;) {
        const ssize_t size = ::pread(file_.get(), buffer.data(), buffer.size(), static_cast<off_t>(result.size()));
        if (size < 0) {
            throw SystemException("reading the captured log", errno);
        }
        if (size == 0) {
            return result;
        }
        result.append(buffer.data(), static_cast<std::size_t>(size));
    }
}

unsigned CapturedLog::count(const std::string &part) const {
    const std::string all = text();
    unsigned result = 0;
    for (auto at = all.find(part); at != std::string::npos; at = all.find(part, at + part.size())) {
        ++result;
    }
    return result;
}

}  // namespace Passenger
