#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/FileDescriptor.h"
#include "shm/Layouts.h"

namespace Passenger {

/** What Exchange::receive() returns. A plain value. */
struct ExchangeEvent {
    enum class Kind {
        /** A message of an instance, for this exchange. */
        MESSAGE,
        LOST,
        REFUSED,
        CLIENT_LEFT,
        TIMED_OUT,
        BROKEN
    };

    Kind kind = Kind::MESSAGE;
    /** MESSAGE. The payload lies in the caller's buffer, behind the header. */
    MessageHeader header{};
    std::span<char> payload{};
    std::vector<FileDescriptor> descriptors{};
    /** REFUSED: the HTTP status, and the id of the report with the reason. */
    std::uint16_t status = 0;
    std::string reportId{};
    /** REFUSED, TIMED_OUT, BROKEN: the reason, for people. */
    std::string text{};

    static ExchangeEvent broken(std::string text);
    static ExchangeEvent refused(std::uint16_t status, std::string reportId, std::string text);
    /** REFUSED: the request waited until the limit. @param limit zero: the end of its process */
    static ExchangeEvent waitedTooLong(std::chrono::milliseconds limit);
    /** TIMED_OUT: an instance worked on the request until the limit. */
    static ExchangeEvent workedTooLong(std::chrono::milliseconds limit);
};

}  // namespace Passenger
