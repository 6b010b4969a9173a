#pragma once

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "base/FileDescriptor.h"

namespace Passenger::Bridge {

/** Whether this errno of a send says that the other end has gone. */
inline bool isGone(int error) noexcept {
    return error == EPIPE || error == ECONNRESET || error == ENOTCONN;
}

/** The instance's end of a reply channel. The agent shares it, so its flags must not change. */
struct Channel {
    std::uint64_t id = 0;
    FileDescriptor end;
};
using ChannelPtr = std::shared_ptr<const Channel>;

/**
 * The reply channels that this instance knows, and those that it has asked for. A dropped channel
 * closes when its exchange is over. Owned by the Instance.
 */
class Channels {
public:
    /** Channels that are asked for at once. The agent ends an instance that does not take its
     *  answers from the socket, which has room for some 250. */
    static constexpr std::size_t MOST_ASKED = 64;
    /** How long a request waits for its channel. A child sends a request again that nobody has
     *  claimed after a second. */
    static constexpr std::chrono::milliseconds PATIENCE{2000};

    /** @param ask sends FETCH without waiting; throws when it cannot be sent */
    explicit Channels(std::function<void(std::uint64_t)> ask) : ask_(std::move(ask)) {}

    /**
     * Asks the agent for a channel that is new.
     * @param asked of the request: the agent was asked for it. At first false
     * @return nothing: not yet. Null: its child or the agent is gone, or the agent cannot be asked
     */
    std::optional<ChannelPtr> find(std::uint64_t id, bool &asked);

    // After all of the following but drop(), another find() may have another result.

    void add(std::uint64_t id, FileDescriptor end);
    /** The agent knows no such channel. */
    void refuse(std::uint64_t id);
    void drop(std::uint64_t id);
    /** Another pool process serves. The former one answers nothing any more, and its channels are
     *  of no use for new requests. */
    void forget();
    /** The agent has gone: no more channels come. */
    void stop();

private:
    bool ask(std::uint64_t id);

    const std::function<void(std::uint64_t)> ask_;
    std::map<std::uint64_t, ChannelPtr> known_;
    /** The agent was asked for them, and has not answered. */
    std::set<std::uint64_t> wanted_;
    bool stopped_ = false;
};

}  // namespace Passenger::Bridge
