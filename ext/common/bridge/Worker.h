#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "base/FileDescriptor.h"
#include "bridge/AppConnection.h"
#include "bridge/Channels.h"
#include "bridge/Intake.h"
#include "bridge/ReplyWriter.h"
#include "shm/InstanceClaim.h"
#include "shm/Layouts.h"

namespace Passenger::Bridge {

/**
 * Takes requests from the Group's queue and has them answered, one after the other. One for each thread; nothing in it is shared but what
 * it is given. Always true: a request is passed on only after its claim was written and its mark looked at.
 */
class Worker {
public:
    /** What all workers of the instance use. */
    struct Tools {
        Intake &intake;
        Channels &channels;
        const FileDescriptor &claims;
        const FileDescriptor &senders;
        const AppAddress &address;
        /** As HttpExchange wants it. */
        std::function<void()> awaitDeath;
        /** A request was answered. */
        std::function<void()> answered;
        std::uint32_t stickyId = 0;
        /** As HttpExchange wants it. */
        bool toLoader = false;
    };

    Worker(const Tools &tools, std::uint32_t cell);

    /** Until there is never a request again. */
    void run();

private:
    void handle(std::string_view message);
    void answer(const Channel &channel, const RequestHeader &header, std::string_view rest, bool withdrawn);
    void respond(const Channel &channel, ReplyWriter &reply, const RequestHeader &header, std::string_view rest);

    const Tools &tools_;
    InstanceClaim claim_;
    AppConnection connection_;
    Intake::Seat seat_;
    std::vector<char> buffer_;
};

}  // namespace Passenger::Bridge
