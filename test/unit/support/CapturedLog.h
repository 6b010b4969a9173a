#pragma once

#include <string>

#include "base/FileDescriptor.h"

namespace Passenger {

/** For its lifetime, what this process writes to its standard error, the log, goes here and can be read. */
class CapturedLog {
public:
    CapturedLog();
    ~CapturedLog();
    CapturedLog(const CapturedLog &) = delete;
    CapturedLog &operator=(const CapturedLog &) = delete;

    /** All of it, so far. */
    std::string text() const;
    bool contains(const std::string &part) const {
        return text().find(part) != std::string::npos;
    }
    /** How often `part` occurs. */
    unsigned count(const std::string &part) const;

private:
    FileDescriptor file_;
    FileDescriptor standardError_;
};

}  // namespace Passenger
