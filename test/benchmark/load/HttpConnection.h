#pragma once

#include <cstdint>
#include <string>

#include "base/FileDescriptor.h"

namespace Passenger {

/**
 * A connection to a server on 127.0.0.1 that is kept from one answer to the next. Understands what servers send in a benchmark: a Content-Length,
 * chunks whose last one ends the last packet, or the connection's end after `Connection: close`.
 */
class HttpConnection {
public:
    enum class Progress { INCOMPLETE, COMPLETE, CLOSED };

    /** @throws SystemException */
    explicit HttpConnection(std::uint16_t port);

    int descriptor() const noexcept {
        return socket_.get();
    }
    /** Begins a request. False: the server has closed the connection. */
    bool send(const std::string &request) noexcept;
    /** Takes what has come. Never waits. */
    Progress receive();
    /** Nothing of the answer has come yet. */
    bool silent() const noexcept {
        return answer_.empty();
    }
    /** Of a complete answer. */
    int status() const noexcept;
    /** After a complete answer: whether another request may follow. */
    bool stays() const noexcept;

private:
    bool complete() const noexcept;
    bool endsWithConnection() const noexcept;

    FileDescriptor socket_;
    std::string answer_;
};

}  // namespace Passenger
