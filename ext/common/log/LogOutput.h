#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/LogTarget.h"
#include "base/Mutex.h"
#include "log/LogFormat.h"
#include "log/LogRecord.h"

namespace Passenger {

/**
 * Brings records to where the log goes, in the form that it has there. A record that syslog or
 * journald does not take goes to descriptor 2. The first such record waits for a second, and the
 * following ones do not wait. Once the daemon takes records again, they go there. Thread-safe.
 */
class LogOutput {
public:
    /** The sockets of the daemons. */
    struct Sockets {
        std::string syslog = "/dev/log";
        std::string journald = "/run/systemd/journal/socket";
    };
    struct Patience {
        /** Called about ten times a second while the log takes nothing; false: the rest is lost. */
        std::function<bool()> goOn;
        /** Called likewise while nobody reads the pipe of the log. Empty: the rest is lost. */
        std::function<bool()> awaitReader{};
    };

    explicit LogOutput(Sockets sockets) : sockets_(std::move(sockets)) {}
    LogOutput() : LogOutput(Sockets()) {}

    /** From the next write() on. */
    void use(const LogTarget &target) EXCLUDES(mutex_);
    void use(LogFormat format) noexcept { format_ = format; }
    /** @param packed records, each as of LogRecord::pack() @return how many lines are lost, as far
     *  as descriptor 2 should have had them */
    std::size_t write(std::string_view packed, const Patience &patience) EXCLUDES(mutex_);

private:
    class Daemon;

    std::shared_ptr<Daemon> daemon() const EXCLUDES(mutex_);

    const Sockets sockets_;
    std::atomic<LogFormat> format_ = LogFormat::TEXT;
    mutable Mutex mutex_{Locks::LOG};
    /** Null: descriptor 2. */
    std::shared_ptr<Daemon> daemon_ GUARDED_BY(mutex_);
};

}  // namespace Passenger
