#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/FileDescriptor.h"

namespace Passenger {

/**
 * A file without a name, for bytes that do not fit into memory. The file disappears with its
 * descriptor, however the process ends.
 *
 * One thread at a time.
 */
class SpoolFile {
public:
    /** @param folder the folder whose disk space the file uses @throws SystemException */
    explicit SpoolFile(const std::string &folder);

    /** @throws SystemException (then only the bytes of earlier calls are certain to be in the
     *  file) */
    void write(std::uint64_t position, std::string_view bytes);
    /** Fills `bytes` with bytes that were written before. @throws SystemException */
    void read(std::uint64_t position, std::span<char> bytes) const;

    /** A second descriptor of the file, at its start and for reading only. Nothing: it cannot be
     *  opened (/proc is missing). */
    FileDescriptor reopen() const noexcept;
    /** Frees the file's disk space, also for other holders of a descriptor. */
    void truncate() const noexcept;
    /** Gives the descriptor to the caller: the file lives as long as the descriptor is open. */
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
