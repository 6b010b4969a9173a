#pragma once

#include <chrono>

#include "base/FileDescriptor.h"
#include "bridge/AppAddress.h"

namespace Passenger::Bridge {

/**
 * One worker's connection to the application, kept from one request to the next. Nothing that came on it between two requests is ever
 * taken for an answer. Used by one thread.
 */
class AppConnection {
public:
    explicit AppConnection(const AppAddress &address) : address_(address) {}

    /** A connection that is open, and on which nothing has come: the kept one, or a new one.
     *  @param mayBeOld the request can be sent again if the application closes the connection this very moment
     *  @return false, and errno: there is none to be had */
    bool open(bool mayBeOld);
    /** open() had kept it. */
    bool kept() const noexcept {
        return kept_;
    }
    int descriptor() const noexcept {
        return socket_.get();
    }
    /** The exchange ended cleanly. */
    void keep() noexcept;
    void close() noexcept {
        socket_.reset();
    }

private:
    bool isQuiet() const noexcept;

    const AppAddress &address_;
    FileDescriptor socket_;
    std::chrono::steady_clock::time_point lastUsed_;
    bool kept_ = false;
};

}  // namespace Passenger::Bridge
