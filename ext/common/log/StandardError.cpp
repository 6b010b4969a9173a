#include "log/StandardError.h"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>

namespace Passenger {

namespace {

/**
 * Polls for one turn. The next call looks descriptor 2 up again, since a running poll() keeps the
 * file that descriptor 2 was at its start.
 */
bool hasRoom() {
    pollfd entry{STDERR_FILENO, POLLOUT, 0};
    return ::poll(&entry, 1, STANDARD_ERROR_TURN) > 0;
}

bool isPipe() {
    struct stat status {};
    return ::fstat(STDERR_FILENO, &status) == 0 && S_ISFIFO(status.st_mode);
}

/**
 * The size of one write: as many lines as a pipe with room accepts atomically, or one longer line.
 */
std::size_t firstPart(std::string_view lines) {
    if (lines.size() <= PIPE_BUF) {
        return lines.size();
    }
    if (const auto end = lines.rfind('\n', PIPE_BUF - 1); end != std::string_view::npos) {
        return end + 1;
    }
    if (isPipe()) {
        return PIPE_BUF;
    }
    const auto end = lines.find('\n');
    return end == std::string_view::npos ? lines.size() : end + 1;
}

std::size_t countOf(std::string_view lines) {
    const auto ends = static_cast<std::size_t>(std::count(lines.begin(), lines.end(), '\n'));
    return ends + (lines.empty() || lines.back() == '\n' ? 0 : 1);
}

/** The inode of the log in which this process has begun a line and not ended it; 0: none. */
std::atomic<ino_t> unfinished = 0;

ino_t inodeOfLog() {
    struct stat status {};
    return ::fstat(STDERR_FILENO, &status) == 0 ? status.st_ino : 0;
}

/** @param within whether the lines begin with the rest of a line @return how many lines are lost */
std::size_t writeFirstPart(std::string_view &lines, bool &within, const std::function<bool()> &awaitReader) {
    const std::size_t part = firstPart(lines);
    // Before the write, which may take long: descriptor 2 may be another log afterwards.
    const ino_t log = inodeOfLog();
    const bool breaks = !within && log != 0 && log == unfinished;
    const std::string_view data = breaks ? "\n" : lines.substr(0, part);
    const ssize_t written = ::write(STDERR_FILENO, data.data(), data.size());
    if (written > 0) {
        const auto size = static_cast<std::size_t>(written);
        within = data[size - 1] != '\n';
        unfinished = within ? log : 0;
        lines.remove_prefix(breaks ? 0 : size);
    } else if (written < 0 && errno == EPIPE && awaitReader && awaitReader()) {
        ::poll(nullptr, 0, STANDARD_ERROR_TURN);
    } else if (written < 0 && errno != EINTR && errno != EAGAIN) {
        const std::size_t lost = countOf(lines.substr(0, part));
        lines.remove_prefix(part);
        within = false;
        return lost;
    }
    return 0;
}

}  // namespace

std::size_t writeToStandardError(std::string_view lines, const std::function<bool()> &goOn,
                                 const std::function<bool()> &awaitReader) {
    std::size_t lost = 0;
    bool within = false;
    do {
        if (hasRoom()) {
            lost += writeFirstPart(lines, within, awaitReader);
        }
    } while (!lines.empty() && goOn());
    return lost + countOf(lines);
}

}  // namespace Passenger
