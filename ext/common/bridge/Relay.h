#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/Clock.h"
#include "base/FileDescriptor.h"
#include "bridge/AnswerParser.h"

namespace Passenger::Bridge {

/**
 * One connection that the application has taken over, or whose answer is an event stream. The relay
 * passes bytes on between the client's own socket and the application's connection. The bytes of an
 * upgraded connection pass unchanged in both directions. The relay makes chunks of its own of an
 * event stream's body, and drops the bytes that the client of an event stream sends.
 *
 * The Relays own it. No call waits. A relay keeps one piece for each side,
 * and reads nothing from the other side meanwhile.
 */
class Relay {
public:
    using TimePoint = MonotonicTime;

    enum class Side { CLIENT, APPLICATION };

    /** The relay cuts a client that takes none of its waiting bytes for so long. */
    static constexpr std::chrono::seconds TAKES_WITHIN{60};
    /** Time for the child's answer. The child sends earlier answers to its client before. */
    static constexpr std::chrono::minutes ANSWER_WITHIN{10};
    /** The kernel reports a process's end at most so much later than the end of its
     *  connections. */
    static constexpr std::chrono::milliseconds DEATH_NOTICE{50};

    /**
     * @param child our end of the stream pair of HIJACKED, where the child's TransferAnswer comes
     * @param application the connection to the application
     * @param first bytes that the application has sent for its client
     * @param answer the answer whose body goes on; null: an upgraded connection
     */
    Relay(FileDescriptor child, FileDescriptor application, std::string_view first,
          std::unique_ptr<AnswerParser> answer, TimePoint now);

    bool isEventStream() const noexcept { return answer_ != nullptr; }
    /** The child has not said yet where the client's bytes come from. */
    bool awaitsChild() const noexcept { return awaitsChild_; }
    /** Before the child's answer this is our end of the pair. */
    int descriptor(Side side) const noexcept { return (side == Side::CLIENT ? client_ : application_).get(); }
    /** The events (EPOLLIN, ...) that the side is to be watched for; 0: none, no error either. */
    std::uint32_t wanted(Side side) const noexcept;
    /** @param buffer for the bytes of one read */
    void handle(Side side, std::uint32_t events, std::span<char> buffer, TimePoint now);
    /** When expire() is to be called. */
    std::optional<TimePoint> deadline() const noexcept;
    /** @param applicationLives whether an end of its connection was no sign of its death */
    void expire(TimePoint now, bool applicationLives);
    /** The client has all that came for it. */
    bool delivered() const noexcept { return closing_ || over_; }
    /** Both sides are to be closed. */
    bool over() const noexcept { return over_; }

private:
    /** Bytes that the receiver has not taken. */
    struct Pending {
        std::string bytes;
        std::size_t at = 0;

        bool empty() const noexcept { return bytes.empty(); }
        std::size_t left() const noexcept { return bytes.size() - at; }
    };

    void expireClosing(TimePoint now) noexcept;
    void takeChildsAnswer();
    void takeClient(std::span<char> buffer);
    void takeApplication(std::span<char> buffer);
    void endOfClient();
    void endOfApplication();
    void passOnAnswer();
    bool sendTo(const FileDescriptor &receiver, Pending &pending) noexcept;
    void sendToClient();
    void sendToApplication();
    void beginClosing() noexcept;

    FileDescriptor client_;
    FileDescriptor application_;
    const std::unique_ptr<AnswerParser> answer_;
    Pending toClient_;
    Pending toApplication_;
    /** The last time at which the side that is waited for did something. */
    TimePoint since_;
    bool awaitsChild_ = true;
    bool clientEnded_ = false;
    /** The client has ended its side, but the application has not taken the client's earlier
     *  bytes. */
    bool clientHangsUp_ = false;
    bool applicationEnded_ = false;
    /** The answer ends with its connection, which has ended: perhaps with the application. */
    bool perhapsKilled_ = false;
    /** The client has everything, and our side of its connection is shut down. */
    bool closing_ = false;
    /** The number of bytes that the kernel still has for the client then, and since when it is the
     *  same. */
    int unsent_ = 0;
    TimePoint tookAt_;
    /** Bytes that the client has sent while it listens to events. */
    std::size_t dropped_ = 0;
    bool over_ = false;
};

}  // namespace Passenger::Bridge
