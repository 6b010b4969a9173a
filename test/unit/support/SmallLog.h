#pragma once

#include <chrono>
#include <string>

#include "base/FileDescriptor.h"

namespace Passenger {

/** During its lifetime, the log is a small pipe that only the test reads. */
class SmallLog {
public:
    SmallLog();
    ~SmallLog();
    SmallLog(const SmallLog &) = delete;
    SmallLog &operator=(const SmallLog &) = delete;

    /** Writes FILLING until the pipe is full. */
    void fill();
    /** Reads up to and including the first `end`. Fails the test if `end` does not come within a
     *  minute. */
    std::string readTo(const std::string &end);
    /** Reads all that is in the pipe now. */
    std::string readNow();
    const FileDescriptor &writer() const noexcept { return pipe_.second; }

    static constexpr char FILLING = '.';

private:
    bool readSome(std::string &text, std::chrono::milliseconds patience);

    DescriptorPair pipe_;
    FileDescriptor standardError_;
};

}  // namespace Passenger
