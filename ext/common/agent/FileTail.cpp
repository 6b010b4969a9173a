#include "agent/FileTail.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <utility>

#include "base/Exceptions.h"
#include "log/Log.h"
#include "rights/Rights.h"

namespace Passenger {

namespace {

constexpr std::size_t BLOCK = 65536;
/** Bytes. If more than this waits to be copied, lines are skipped, which is logged. */
constexpr off_t MOST_BEHIND = off_t(16) * 1024 * 1024;
constexpr off_t LEFT_OF_IT = off_t(1024) * 1024;

}  // namespace

FileTail::FileTail(std::string path, std::vector<RunAs> owners, AppFile::NamedBy namedBy)
    : path_(std::move(path)), owners_(std::move(owners)), namedBy_(namedBy) {
    open(true);
}

void FileTail::open(bool atEnd) {
    file_ = named();
    struct stat status {};
    position_ = atEnd && file_ && ::fstat(file_.get(), &status) == 0 ? status.st_size : 0;
}

/** Opens the file that has the path now; none: no file that can be read. There is no look at the
 *  file before: only AppFile knows whose rights to use. */
FileDescriptor FileTail::named() {
    std::string problem;
    for (const RunAs &owner : owners_) {
        try {
            FileDescriptor file = Rights::ofThisProcess().openForReading(path_, owner, namedBy_);
            complained_ = false;
            return file;
        } catch (const std::exception &error) {
            const auto *system = dynamic_cast<const SystemException *>(&error);
            if (system != nullptr && system->error() == ENOENT) {
                return FileDescriptor();
            }
            problem = error.what();
        }
    }
    if (!std::exchange(complained_, true)) {
        Log::error("event=monitor.failed error=\"{}\" directive=PassengerMonitorLogFile", problem);
    }
    return FileDescriptor();
}

/** @return whether another file has the path now. Programs may write to the renamed one until they
 *  open the new one, so an empty file does not count. A removed file is closed: its space is
 *  wanted. */
bool FileTail::replaced() {
    const FileDescriptor file = named();
    struct stat now {};
    struct stat ours {};
    return file && ::fstat(file.get(), &now) == 0 && ::fstat(file_.get(), &ours) == 0 &&
           (now.st_dev != ours.st_dev || now.st_ino != ours.st_ino) && (now.st_size > 0 || ours.st_nlink == 0);
}

void FileTail::skipMuch(off_t size) {
    if (size - position_ > MOST_BEHIND) {
        const off_t skipped = size - position_ - LEFT_OF_IT;
        position_ += skipped;
        Log::warn(
            "event=monitor.skipped file=\"{}\" bytes={} reason=\"the file grows faster than the agent can copy it\"",
            path_, skipped);
    }
}

bool FileTail::read(std::size_t most, const LineCallback &line) {
    if (!file_) {
        open(false);
    }
    std::string buffer(BLOCK, '\0');
    while (file_ && most > 0) {
        struct stat status {};
        if (::fstat(file_.get(), &status) != 0) {
            return false;
        }
        if (status.st_size < position_) {
            lines_.finish(line);
            position_ = 0;
        }
        skipMuch(status.st_size);
        const auto here = static_cast<std::size_t>(status.st_size - position_);
        const ssize_t size = ::pread(file_.get(), buffer.data(), std::min({most, buffer.size(), here}), position_);
        if (size < 0) {
            return false;
        }
        if (size > 0) {
            position_ += size;
            most -= static_cast<std::size_t>(size);
            lines_.feed(std::string_view(buffer).substr(0, static_cast<std::size_t>(size)), line);
        } else if (replaced()) {
            lines_.finish(line);
            file_.reset();
            open(false);
        } else {
            return false;
        }
    }
    return most == 0;
}

void FileTail::finish(const LineCallback &line) {
    read(static_cast<std::size_t>(MOST_BEHIND), line);
    lines_.finish(line);
}

}  // namespace Passenger
