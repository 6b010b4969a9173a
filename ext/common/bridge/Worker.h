#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "base/FileDescriptor.h"
#include "bridge/AppConnection.h"
#include "bridge/Channels.h"
#include "bridge/Handover.h"
#include "bridge/Intake.h"
#include "bridge/Relays.h"
#include "bridge/ReplyWriter.h"
#include "shm/InstanceClaim.h"
#include "shm/Layouts.h"

namespace Passenger::Bridge {

/**
 * Takes requests from the Group's queue and passes them on to the application, one after the other.
 * The Instance owns one for each thread, and only that thread calls it. Always true: a request is
 * passed on only after it was claimed, and if it was not withdrawn (InstanceClaim).
 */
class Worker {
public:
    /** All workers of the instance share these. */
    struct Tools {
        Intake &intake;
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

    /** @param index the number of its thread */
    Worker(const Tools &tools, std::uint32_t index);

    /** Returns when no request comes any more. */
    void run();

private:
    void handle(std::string_view message);
    void answer(const Channel &channel, const RequestHeader &header, std::string_view rest, bool withdrawn);
    void respond(const Channel &channel, ReplyWriter &reply, const RequestHeader &header, std::string_view rest);

    const Tools &tools_;
    const std::uint32_t index_;
    /** That of the latest message. */
    HandoverPtr handover_;
    /** In the handover's memory. */
    std::optional<InstanceClaim> claim_;
    AppConnection connection_;
    Intake::Seat seat_;
    /** MAX_MESSAGE + 1 bytes for the request, and READ_SIZE for parts of the answer. Not on the
     *  stack and not initialized: pages that no message reaches take no memory. */
    std::unique_ptr<char[]> buffer_;
    std::unique_ptr<char[]> answerBuffer_;
};

}  // namespace Passenger::Bridge
