#pragma once

#include <chrono>
#include <string>

#include "base/FileDescriptor.h"

namespace Passenger {

/** For its lifetime, the log is a pipe with little room that is read by the test alone, or by nobody. */
class SmallLog {
public:
    SmallLog();
    ~SmallLog();
    SmallLog(const SmallLog &) = delete;
    SmallLog &operator=(const SmallLog &) = delete;

    /** Writes FILLING until no byte more fits. */
    void fill();
    /** Reads up to and with the first `end`; fails the test when that does not come within a minute. */
    std::string readTo(const std::string &end);
    /** What can be read now. */
    std::string readNow();
    const FileDescriptor &writer() const noexcept {
        return pipe_.second;
    }

    static constexpr char FILLING = '.';

private:
    bool readSome(std::string &text, std::chrono::milliseconds patience);

    DescriptorPair pipe_;
    FileDescriptor standardError_;
};

}  // namespace Passenger
