#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "apache2/request/SpoolFile.h"
#include "base/FileDescriptor.h"
#include "shm/Layouts.h"

namespace Passenger {

/**
 * A request's body that is read before the request is queued: in memory up to MEMORY bytes, else all of it in a file.
 *
 * First append() until the end, then next() from the beginning. One thread at a time.
 */
class BufferedBody {
public:
    static constexpr std::size_t MEMORY = 128 * 1024;

    /** @param folder for the file */
    explicit BufferedBody(std::string folder) : folder_(std::move(folder)) {}

    /** @param size what the client says; only a hint */
    void expect(std::uint64_t size);
    /** @throws SystemException (no room on the disk, …) */
    void append(std::string_view bytes);
    /** No more comes. @throws SystemException */
    void finish();

    std::uint64_t size() const noexcept {
        return size_;
    }
    /** All of it, where it is in memory; else nothing. */
    std::optional<std::string_view> whole() const noexcept;
    /** Where it is in a file: that file, for reading only and from its start. Nothing: it is not, or it cannot be opened again. */
    FileDescriptor file() const noexcept;
    /** The next bytes, as many as a message holds; valid until the next call. Empty: it is over. @throws SystemException */
    std::string_view next();

private:
    /** Fills a message on the reply channel. */
    static constexpr std::size_t PIECE = MAX_MESSAGE - sizeof(MessageHeader);

    /** Always MEMORY bytes, until the end: the kernel needs a third less time for whole, large pages than for pieces as they come. */
    void flush();

    std::string folder_;
    /** The body; with a file, what was not written to it yet, later what was read from it. */
    std::string memory_;
    std::optional<SpoolFile> file_;
    std::uint64_t size_ = 0;
    std::uint64_t written_ = 0;
    std::uint64_t position_ = 0;
};

}  // namespace Passenger
