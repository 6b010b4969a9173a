#pragma once

#include <string>

#include "base/FileDescriptor.h"

namespace Passenger {

/** Captures the log, this process's standard error, during its lifetime. */
class CapturedLog {
public:
    CapturedLog();
    ~CapturedLog();
    CapturedLog(const CapturedLog &) = delete;
    CapturedLog &operator=(const CapturedLog &) = delete;

    std::string text() const;
    bool contains(const std::string &part) const { return text().find(part) != std::string::npos; }
    unsigned count(const std::string &part) const;

private:
    FileDescriptor file_;
    FileDescriptor standardError_;
};

}  // namespace Passenger
