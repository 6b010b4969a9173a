#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "apache2/request/SpoolFile.h"

namespace Passenger {

/**
 * Bytes that leave in the order they came, in a file without a name that never becomes larger than it must: what has left makes room.
 *
 * One thread at a time.
 */
class SpoolRing {
public:
    struct Range {
        std::uint64_t position;
        std::uint64_t length;
    };

    /** @throws SystemException */
    SpoolRing(const std::string &folder, std::uint64_t capacity) : file_(folder), capacity_(capacity) {}

    std::uint64_t size() const noexcept {
        return size_;
    }
    std::uint64_t room() const noexcept {
        return capacity_ - size_;
    }
    /** @throws std::length_error: there is not so much room; SystemException. Nothing has come in then */
    void append(std::string_view bytes);
    /** The oldest bytes, as many as there are and as `into` holds. @throws SystemException */
    std::size_t take(std::span<char> into);

    /** Where what it holds lies in the file: first and second part. */
    std::array<Range, 2> ranges() const noexcept;
    /** Keeps bytes beside the ring, which must not be used for more than its ranges() then. @throws SystemException */
    Range keepBeside(std::string_view bytes);
    /** Gives the descriptor up: the file lives as long as it is open. */
    [[nodiscard]] int release() noexcept {
        return file_.release();
    }
    int descriptor() const noexcept {
        return file_.descriptor();
    }

private:
    SpoolFile file_;
    std::uint64_t capacity_;
    /** The oldest byte. */
    std::uint64_t first_ = 0;
    std::uint64_t size_ = 0;
    std::uint64_t beside_ = 0;
};

}  // namespace Passenger
