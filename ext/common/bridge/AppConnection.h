#pragma once

#include <chrono>
#include <cstdint>

#include "base/FileDescriptor.h"
#include "bridge/AppAddress.h"
#include "bridge/Watch.h"

namespace Passenger::Bridge {

/**
 * A place's connection to the application, kept from one request to the next. Owned by the place.
 * No call waits. Always true: bytes that came between two requests are never part of an answer.
 */
class AppConnection {
public:
    using Deadline = AppAddress::Deadline;

    enum class State : std::uint8_t { OPEN, PENDING, FAILED };

    static constexpr std::chrono::seconds CONNECT_LIMIT{10};

    AppConnection(const AppAddress &address, Watch watch) noexcept : address_(address), watch_(watch) {}

    /**
     * Takes the kept connection if it is open and has no bytes to read; else makes a new one, to a
     * process of this user only: another user's process may have taken the port of a server that
     * has ended.
     * @param mayBeOld the request can be sent again if the application closes the connection now
     * @param limit the time for a new connection
     * @return PENDING: open() is to be called again when the descriptor is writable, or at
     *     nextLook(). FAILED, with errno: the application does not accept connections
     */
    State open(bool mayBeOld, std::chrono::milliseconds limit = CONNECT_LIMIT);
    Deadline nextLook() const;
    /** The connection is older than the last open(). */
    bool kept() const noexcept { return kept_; }
    int descriptor() const noexcept { return socket_.get(); }
    /** See Watch. */
    bool watch(std::uint32_t events) noexcept { return !socket_ || watch_.set(socket_.get(), events); }
    bool isWatched() const noexcept { return watch_.isOn(); }
    /** After an exchange that ended cleanly.
     *  @param keptFor the application keeps the connection for so long; 0: it does not say */
    void keep(std::chrono::seconds keptFor) noexcept;
    void close() noexcept;
    /** Gives the connection away: it serves no other request. */
    FileDescriptor release() noexcept;

private:
    bool reuse(bool mayBeOld) noexcept;
    bool isQuiet() const noexcept;

    const AppAddress &address_;
    Watch watch_;
    FileDescriptor socket_;
    /** PENDING: until when. */
    Deadline until_;
    bool pending_ = false;
    std::chrono::steady_clock::time_point lastUsed_;
    std::chrono::seconds keptFor_{0};
    bool kept_ = false;
};

}  // namespace Passenger::Bridge
