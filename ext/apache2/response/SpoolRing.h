#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "apache2/request/SpoolCharge.h"
#include "apache2/request/SpoolFile.h"

namespace Passenger {

/**
 * A queue of bytes in a file without a name. Bytes that were taken make room for new ones, so the
 * file stays as small as possible.
 *
 * One thread at a time.
 */
class SpoolRing {
public:
    struct Range {
        std::uint64_t position;
        std::uint64_t length;
    };

    /** @param charge counts the file @throws SystemException */
    SpoolRing(SpoolCharge charge, std::uint64_t capacity) : file_(std::move(charge)), capacity_(capacity) {}

    std::uint64_t size() const noexcept { return size_; }
    std::uint64_t room() const noexcept { return capacity_ - size_; }
    /** @throws std::length_error (not enough room), SpoolQuotaExceeded, SystemException. Nothing
     *  was appended then */
    void append(std::string_view bytes);
    /** Takes the oldest bytes, at most as many as `into` holds. @throws SystemException */
    std::size_t take(std::span<char> into);

    /** The positions of the bytes in the file: first and second part. */
    std::array<Range, 2> ranges() const noexcept;
    /** Stores bytes outside of the ring. append() and take() must not be called afterwards.
     *  @throws SpoolQuotaExceeded, SystemException */
    Range keepBeside(std::string_view bytes);
    /** Gives the file to the caller. The ring must not be used afterwards. */
    [[nodiscard]] SpoolFile release() noexcept { return std::move(file_); }
    int descriptor() const noexcept { return file_.descriptor(); }

private:
    SpoolFile file_;
    std::uint64_t capacity_;
    /** The position of the oldest byte. */
    std::uint64_t first_ = 0;
    std::uint64_t size_ = 0;
    /** The size of the file. */
    std::uint64_t end_ = 0;
};

}  // namespace Passenger
