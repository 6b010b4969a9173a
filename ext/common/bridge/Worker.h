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
        const FileDescriptor &claims;
        const FileDescriptor &senders;
        const AppAddress &address;
        /** See HttpExchange. */
        std::function<void()> awaitDeath;
        /** Called after each answered request. */
        std::function<void()> answered;
        std::uint32_t stickyId = 0;
        /** See HttpExchange. */
        bool toLoader = false;
    };

    Worker(const Tools &tools, std::uint32_t cell);

    /** Returns when no request comes any more. */
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
