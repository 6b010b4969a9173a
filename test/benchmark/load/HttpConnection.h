#pragma once

#include <cstdint>
#include <string>

#include "base/FileDescriptor.h"

namespace Passenger {

/**
 * A connection to a server on 127.0.0.1, kept from one answer to the next. It understands the
 * answers of servers in a benchmark. Their bodies end by a Content-Length, by a last chunk at the
 * end of the last packet, or with the connection after `Connection: close`.
 */
class HttpConnection {
public:
    enum class Progress { INCOMPLETE, COMPLETE, CLOSED };

    /** @throws SystemException */
    explicit HttpConnection(std::uint16_t port);

    int descriptor() const noexcept { return socket_.get(); }
    /** Begins a request. False if the server has closed the connection. */
    bool send(const std::string &request) noexcept;
    /** Reads the bytes that have arrived. Never waits. */
    Progress receive();
    /** True if no byte of the answer has arrived. */
    bool silent() const noexcept { return answer_.empty(); }
    /** The status of a complete answer. */
    int status() const noexcept;
    /** After a complete answer: true if another request may follow. */
    bool stays() const noexcept;

private:
    bool complete() const noexcept;
    bool endsWithConnection() const noexcept;

    FileDescriptor socket_;
    std::string answer_;
};

}  // namespace Passenger
