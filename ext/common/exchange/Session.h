#pragma once

#include <memory>
#include <string_view>

namespace Passenger {

/**
 * One exchange with an application as a byte stream: one request, one answer. The interface of
 * Phusion Passenger 1.0 (doc/ORIGINS.md). The destructor ends the exchange, and frees its instance.
 *
 * Owned by the caller of ApplicationPool::get(appRoot), which uses it from one thread at a time. A
 * session must not outlive its pool. Its functions block, and throw SystemException and
 * ProtocolException.
 */
class Session {
public:
    virtual ~Session() = default;

    /** @param environment "NAME\0value\0…", at most 1 MiB */
    virtual void sendHeaders(std::string_view environment) = 0;
    virtual void sendBodyBlock(std::string_view block) = 0;
    /** Ends the request body. */
    virtual void closeWriter() = 0;
    /** A descriptor to read the answer from, until its end: `Status: 200 OK\r\n`, header lines, an
     *  empty line, the body. The session owns the descriptor. */
    virtual int getReader() = 0;
    virtual void closeReader() = 0;
};

using SessionPtr = std::unique_ptr<Session>;

}  // namespace Passenger
