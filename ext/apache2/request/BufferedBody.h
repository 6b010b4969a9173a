#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "apache2/request/SpoolCharge.h"
#include "apache2/request/SpoolFile.h"
#include "base/FileDescriptor.h"
#include "shm/Layouts.h"

namespace Passenger {

/**
 * A request's body that is read before the request is queued: in memory up to MEMORY bytes, else
 * all of it in a file.
 *
 * append() fills the body up to finish(). Then next() reads it from the beginning. One thread at a
 * time.
 */
class BufferedBody {
public:
    static constexpr std::size_t MEMORY = 128 * 1024;

    /** @param charge counts the file */
    explicit BufferedBody(SpoolCharge charge) noexcept : charge_(std::move(charge)) {}

    /** @param size the client's Content-Length; only a hint */
    void expect(std::uint64_t size);
    /** @throws SpoolQuotaExceeded, SystemException (for example: the disk is full) */
    void append(std::string_view bytes);
    /** Ends the body. @throws as append() */
    void finish();

    std::uint64_t size() const noexcept { return size_; }
    /** The whole body if it is in memory; else nothing. */
    std::optional<std::string_view> whole() const noexcept;
    /** Whether the request's own message has room for the whole body. @param environment the bytes
     *  of the request's environment */
    bool fitsInline(std::size_t environment) const noexcept;
    /** The file of the body, for reading only and from its start. Nothing: the body is in memory,
     *  or the file cannot be opened again. */
    FileDescriptor file() const noexcept;
    /** An instance of this application has the file. */
    void given(DescriptorSender application) noexcept { file_->given(application); }
    /** The next bytes, at most as many as a message holds; valid until the next call. Empty: the
     *  body has ended. @throws SystemException */
    std::string_view next();
    /** Whether next() has returned all bytes. */
    bool ended() const noexcept { return position_ == size_; }

private:
    /** Fills a message on the reply channel. */
    static constexpr std::size_t PIECE = MAX_MESSAGE - sizeof(MessageHeader);

    /** Writes `memory_` to the file. Each write but the last has MEMORY bytes: the kernel needs a
     *  third less time for whole, large pages than for small pieces. */
    void flush();

    /** Counts the file; moved into it when the file is made. */
    SpoolCharge charge_;
    /** The body. With a file: bytes to write to the file, later bytes read from it. */
    std::string memory_;
    std::optional<SpoolFile> file_;
    std::uint64_t size_ = 0;
    std::uint64_t written_ = 0;
    std::uint64_t position_ = 0;
};

}  // namespace Passenger
