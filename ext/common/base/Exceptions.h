#pragma once

#include <cerrno>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include "base/Report.h"

namespace Passenger {

/** A system call failed. what() names the call or path, and the reason. */
class SystemException : public std::system_error {
public:
    /** @param error an errno value
     *  @param context what was attempted, with the path or call: `open("/x")` */
    SystemException(const std::string &context, int error)
        : std::system_error(error, std::generic_category(), context) {}

    int error() const noexcept { return code().value(); }
};

/** After a system call, which has set errno. @throws SystemException the call did not succeed */
template <typename Success> void throwUnless(const Success &success, const char *context) {
    if (!success) {
        throw SystemException(context, errno);
    }
}

/**
 * Input or output with a peer failed: the peer closed, or sent invalid data, or a file could not be
 * opened.
 */
class IOException : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/** The peer closed the connection. */
class EndOfFileException : public IOException {
public:
    using IOException::IOException;
};

/** A peer broke a protocol or a limit of doc/PROTOCOLS.md. The connection is unusable. */
class ProtocolException : public IOException {
public:
    using IOException::IOException;
};

/** A deadline passed. */
class TimeoutException : public IOException {
public:
    using IOException::IOException;
};

/** An application instance could not be started. */
class SpawnException : public std::runtime_error {
public:
    /**
     * @param summary one line for logs
     * @param report the whole report for people; may have many lines
     */
    explicit SpawnException(const std::string &summary, std::string report = "")
        : std::runtime_error(summary), report_(std::move(report)) {}

    /** @param details the parts of the report */
    explicit SpawnException(Report details)
        : std::runtime_error(details.summary),
          report_(details.text()),
          details_(std::make_shared<const Report>(std::move(details))) {}

    const std::string &report() const noexcept { return report_; }
    /** The report's parts; may be null. */
    const std::shared_ptr<const Report> &details() const noexcept { return details_; }

private:
    std::string report_;
    std::shared_ptr<const Report> details_;
};

}  // namespace Passenger
