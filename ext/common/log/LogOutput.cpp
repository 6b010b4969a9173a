#include "log/LogOutput.h"

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "log/JournalMessage.h"
#include "log/LogFields.h"
#include "log/LogSocket.h"
#include "log/StandardError.h"
#include "log/SyslogMessage.h"

namespace Passenger {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::chrono::seconds WAIT_FOR_DAEMON{1};

}  // namespace

/** Shared by the threads that are writing when the target changes. */
class LogOutput::Daemon {
public:
    Daemon(LogTarget target, std::string path) : target_(target), socket_(std::move(path)) {}

    const LogTarget &target() const noexcept { return target_; }

    /** @return what is left for descriptor 2: the record, after a line about the daemon if it is
     *  the first one; or nothing */
    std::string write(const LogRecord &record, LogFormat format, const Patience &patience) {
        const std::string message = target_.kind == LogTarget::Kind::JOURNALD
                                        ? journalMessage(record)
                                        : syslogMessage(record, format, target_.facility);
        int error = socket_.send(message);
        const auto deadline = steady_clock::now() + WAIT_FOR_DAEMON;
        while (error == EAGAIN && !failing_ && steady_clock::now() < deadline && patience.goOn()) {
            socket_.waitForRoom(milliseconds(STANDARD_ERROR_TURN));
            error = socket_.send(message);
        }
        if (error == 0) {
            failing_ = false;
            return {};
        }
        const std::string line = formatLine(record, format);
        // One record that is too large does not make the daemon unreachable.
        return error == EMSGSIZE || failing_.exchange(true) ? line : complaint(record, error, format) + line;
    }

private:
    std::string complaint(const LogRecord &before, int error, LogFormat format) const {
        LogRecord record;
        record.level = LogLevel::WARN;
        record.time = before.time;
        record.pid = ::getpid();
        const char *const reason = std::strerror(error);
        record.text = LogFields::compose(
            "event=log.unreachable socket=\"{}\" error=\"{}\" directive=PassengerLogFile consequence=\"lines are in "
            "httpd's error log until the socket takes them\"",
            fmt::make_format_args(socket_.path(), reason));
        return formatLine(record, format);
    }

    const LogTarget target_;
    LogSocket socket_;
    std::atomic<bool> failing_ = false;
};

void LogOutput::use(const LogTarget &target) {
    const LockGuard guard(mutex_);
    if (target.kind == LogTarget::Kind::DESCRIPTOR) {
        daemon_.reset();
    } else if (!daemon_ || !(daemon_->target() == target)) {
        const bool journald = target.kind == LogTarget::Kind::JOURNALD;
        daemon_ = std::make_shared<Daemon>(target, journald ? sockets_.journald : sockets_.syslog);
    }
}

std::size_t LogOutput::write(std::string_view packed, const Patience &patience) {
    const auto daemon = this->daemon();
    const LogFormat format = format_;
    std::string lines;
    while (!packed.empty()) {
        const LogRecord record = LogRecord::unpack(packed);
        lines += daemon ? daemon->write(record, format, patience) : formatLine(record, format);
    }
    return lines.empty() ? 0 : writeToStandardError(lines, patience.goOn, patience.awaitReader);
}

std::shared_ptr<LogOutput::Daemon> LogOutput::daemon() const {
    const LockGuard guard(mutex_);
    return daemon_;
}

}  // namespace Passenger
