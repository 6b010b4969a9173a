#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "bridge/AppConnection.h"
#include "bridge/BodySource.h"
#include "bridge/Channels.h"
#include "bridge/Handover.h"
#include "bridge/HttpExchange.h"
#include "bridge/Relays.h"
#include "bridge/ReplyWriter.h"
#include "bridge/RequestFields.h"
#include "bridge/Watch.h"
#include "shm/InstanceClaim.h"
#include "shm/Layouts.h"

namespace Passenger::Bridge {

/**
 * One of the instance's places for a request: a cell for the request's claim, and a connection to
 * the application, which is kept from one request to the next.
 *
 * Owned by the Intake. No call waits. Always true: a request is passed on only
 * after it was claimed, and if it was not withdrawn (InstanceClaim).
 */
class Place {
public:
    /** All places of the instance share these. */
    struct Tools {
        Channels &channels;
        const AppAddress &address;
        Relays &relays;
        /** Called after each answered request. */
        std::function<void()> answered;
        /** See HttpExchange. */
        bool toNode = false;
        /** Event streams hold no place of the application, since it has no limit of them. */
        bool takesAll = false;
    };

    /** @param index the place's number, and that of its cell among those of the instance
     *  @param watch of its connection */
    Place(const Tools &tools, std::uint32_t index, Watch watch);

    /** Takes the message of a request. The place has none. False: it names no channel for an
     *  answer, and is over. */
    bool take(std::string_view message, HandoverPtr handover);
    /** Of the message. */
    std::uint64_t channelId() const noexcept { return header_.channel; }

    /** Claims the request, and begins it unless it is withdrawn.
     *  @param buffer as for proceed() */
    void begin(const ChannelPtr &channel, std::span<char> buffer);
    /** Whether the claimed request goes on. */
    bool isBusy() const noexcept { return reply_.has_value(); }
    /** isBusy(): when proceed() is to be called. The place watches its connection by itself. */
    HttpExchange::Wants wants() const;
    /** @param buffer BodySource::BUFFER_SIZE bytes */
    void proceed(const HttpExchange::Events &events, std::span<char> buffer);
    /** The child has shut the reply channel down. The request has ended. */
    void leave();

    std::uint32_t index() const noexcept { return index_; }
    AppConnection &connection() noexcept { return connection_; }

private:
    bool attempt(const HttpExchange::Events &events, std::span<char> buffer);
    bool step(const HttpExchange::Events &events, std::span<char> buffer);
    void refuse(const char *problem);
    HttpExchange::Parts parts(std::string_view body);
    void end();

    const Tools &tools_;
    const std::uint32_t index_;
    AppConnection connection_;
    /** The handover of the latest message. */
    HandoverPtr handover_;
    /** In the handover's memory. */
    std::optional<InstanceClaim> claim_;

    // Of the present request. What stands below may point to what stands above.
    std::string message_;
    RequestHeader header_{};
    ChannelPtr channel_;
    bool withdrawn_ = false;
    /** All of its messages were written. Some may wait for the child. */
    bool over_ = false;
    std::optional<BodySource> source_;
    /** An environment that does not fit into the message, as far as it has come. */
    std::string longHead_;
    std::optional<RequestFields> fields_;
    /** None: no request is claimed. */
    std::optional<ReplyWriter> reply_;
    std::optional<HttpExchange> exchange_;
};

}  // namespace Passenger::Bridge
