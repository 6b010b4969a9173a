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
#include "shm/InstanceClaim.h"
#include "shm/Layouts.h"

namespace Passenger::Bridge {

/**
 * One of the instance's places for a request: a cell for the request's claim, and a connection to
 * the application, which is kept from one request to the next.
 *
 * Owned by the Intake. Used by one thread at a time: that of the Intake, which must not wait, or a
 * helper's. Always true: a request is passed on only after it was claimed, and if it was not
 * withdrawn (InstanceClaim).
 */
class Place {
public:
    /** All places of the instance share these. */
    struct Tools {
        Channels &channels;
        const AppAddress &address;
        Relays &relays;
        /** See HttpExchange. */
        std::function<void()> awaitDeath;
        /** Called after each answered request. */
        std::function<void()> answered;
        /** See HttpExchange. */
        bool toNode = false;
        /** Event streams hold no place of the application, since it has no limit of them. */
        bool takesAll = false;
    };

    /** The next need of the request. */
    enum class Next : std::uint8_t {
        /** proceed(), when the connection has bytes, or leave(). */
        ANSWER,
        /** work(), in a thread that may wait. */
        WORK,
        /** Nothing: it has ended. */
        NONE
    };

    /** The bytes of one read fit into one message on the reply channel, unless a head is there. */
    static constexpr std::size_t READ_SIZE = MAX_MESSAGE - sizeof(MessageHeader);

    /** @param index the place's number, and that of its cell among those of the instance */
    Place(const Tools &tools, std::uint32_t index);

    /** Takes the message of a request. The place has none. */
    void take(std::string_view message, HandoverPtr handover);
    /** The request's reply channel; 0: the message names none. */
    std::uint64_t channelId() const noexcept { return header_.channel; }

    /** Claims the request and sends it, if that needs no wait.
     *  @param channel null: it is not known yet */
    Next begin(const ChannelPtr &channel);
    /** @param buffer READ_SIZE bytes, as for work() */
    Next proceed(std::span<char> buffer);
    /** The child has shut the reply channel down. The request has ended. */
    void leave();
    /** Continues the request from its present step to its end. Waits. */
    void work(std::span<char> buffer);

    std::uint32_t index() const noexcept { return index_; }
    AppConnection &connection() noexcept { return connection_; }
    const HandoverPtr &handover() const noexcept { return handover_; }
    /** The reply channel of the last request, if further requests can use it; else null. */
    ChannelPtr takeChannel() noexcept { return std::move(channel_); }

private:
    bool isPlain();
    HttpExchange::Parts parts(std::string_view body);
    ReplyWriter &startReply(const ChannelPtr &channel);
    void claim();
    template <typename Step> bool attempt(const Step &step);
    Next next(bool goesOn);
    void respond(std::span<char> buffer);
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
    std::string longHead_;
    std::optional<RequestFields> fields_;
    /** None: the request was not claimed yet. */
    std::optional<ReplyWriter> reply_;
    std::optional<HttpExchange> exchange_;
};

}  // namespace Passenger::Bridge
