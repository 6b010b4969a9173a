#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/FileDescriptor.h"

namespace Passenger {

/**
 * A file without a name, for bytes that are too many for memory: it is gone with its descriptor, however the process ends.
 *
 * One thread at a time.
 */
class SpoolFile {
public:
    /** @param folder that it takes room in. @throws SystemException */
    explicit SpoolFile(const std::string &folder);

    /** @throws SystemException (nothing is known about the bytes in the file then, beyond what was written before) */
    void write(std::uint64_t position, std::string_view bytes);
    /** As many as `bytes` holds, which must have been written before. @throws SystemException */
    void read(std::uint64_t position, std::span<char> bytes) const;

    /** The file from its start, for reading only: for somebody else. Nothing: that is not possible (/proc is not there). */
    FileDescriptor reopen() const noexcept;
    /** Gives the descriptor up: the file lives as long as it is open. */
    [[nodiscard]] int release() noexcept {
        return file_.release();
    }
    int descriptor() const noexcept {
        return file_.get();
    }

private:
    std::string folder_;
    FileDescriptor file_;
};

}  // namespace Passenger
