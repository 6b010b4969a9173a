#pragma once

#include <chrono>
#include <utility>

#include "base/FileDescriptor.h"
#include "bridge/AppAddress.h"

namespace Passenger::Bridge {

/**
 * A place's connection to the application, kept from one request to the next. Owned by the place,
 * and used by its thread. Always true: bytes that came between two requests are never part of an
 * answer.
 */
class AppConnection {
public:
    explicit AppConnection(const AppAddress &address) : address_(address) {}

    /**
     * Takes the kept connection if it is open and has no bytes to read; else makes a new one, to a
     * process of this user only: another user's process may have taken the port of a server that
     * has ended.
     * @param mayBeOld the request can be sent again if the application closes the connection now
     * @return false, and errno: the application does not accept connections
     */
    bool open(bool mayBeOld);
    /** Whether no process of this user listens. */
    bool isRefused() const;
    /** As open(), but makes no new connection. */
    bool reuse(bool mayBeOld) noexcept;
    /** The connection is older than the last open() or reuse(). */
    bool kept() const noexcept { return kept_; }
    int descriptor() const noexcept { return socket_.get(); }
    /** After an exchange that ended cleanly.
     *  @param keptFor the application keeps the connection for so long; 0: it does not say */
    void keep(std::chrono::seconds keptFor) noexcept;
    void close() noexcept { socket_.reset(); }
    /** Gives the connection away: it serves no other request. */
    FileDescriptor release() noexcept { return std::move(socket_); }

private:
    bool isQuiet() const noexcept;

    const AppAddress &address_;
    FileDescriptor socket_;
    std::chrono::steady_clock::time_point lastUsed_;
    std::chrono::seconds keptFor_{0};
    bool kept_ = false;
};

}  // namespace Passenger::Bridge
