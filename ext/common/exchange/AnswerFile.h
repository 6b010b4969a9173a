#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "base/FileDescriptor.h"
#include "shm/Layouts.h"

namespace Passenger {

/**
 * The rest of an answer, in a file that an application has opened (doc/PROTOCOLS.md, section 3.8).
 * The application may do anything with the file meanwhile. So its bytes are read, never mapped or
 * given to sendfile(): httpd takes a file that became shorter for a whole one. Only with
 * PassengerAnswerFiles.
 *
 * A part of a MessageSession, with its thread rules.
 */
class AnswerFile {
public:
    /** Never waits. @return why the descriptor cannot be read as the end of an answer; null: it
     *  can, and its file system answers at once */
    static const char *problemOf(const FileDescriptor &file, FileRange range) noexcept;

    /** @param file of which problemOf() has found none */
    AnswerFile(FileDescriptor file, FileRange range) noexcept : file_(std::move(file)), range_(range) {}

    /** Reads the next bytes, as many as are left or fit. @return their number. Nothing: the file
     *  does not have them any more, or it cannot be read */
    std::optional<std::size_t> read(std::span<char> buffer) noexcept;
    std::uint64_t left() const noexcept { return range_.length; }

private:
    FileDescriptor file_;
    /** What was not read. */
    FileRange range_;
};

}  // namespace Passenger
