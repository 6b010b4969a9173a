#include "spawning/WaitStatus.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <system_error>

#include "base/Poll.h"

namespace Passenger {

std::optional<int> readWaitStatus(const FileDescriptor &pipe, std::chrono::milliseconds timeout) {
    // Fewer bytes than a pipe writes atomically, so all arrive together.
    std::array<char, 16> text;
    if (!pipe || !pollUntil(pipe.get(), POLLIN, deadlineIn(timeout))) {
        return std::nullopt;
    }
    const ssize_t size = ::read(pipe.get(), text.data(), text.size());
    int status = 0;
    if (size <= 0 || std::from_chars(text.data(), text.data() + size, status).ec != std::errc()) {
        return std::nullopt;
    }
    return status;
}

std::string waitStatusField(const std::optional<int> &status) {
    if (status && WIFSIGNALED(*status)) {
        return " signal=" + std::to_string(WTERMSIG(*status));
    }
    return status && WIFEXITED(*status) ? " status=" + std::to_string(WEXITSTATUS(*status)) : "";
}

}  // namespace Passenger
