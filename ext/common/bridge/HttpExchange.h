#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "bridge/AnswerParser.h"
#include "bridge/AppConnection.h"
#include "bridge/BodySource.h"
#include "bridge/ReplyWriter.h"
#include "bridge/RequestHead.h"

namespace Passenger::Bridge {

/**
 * One request, from its message to its answer's last one. Sends it to the application, while its body arrives, and passes the answer on as it
 * comes; whichever of both sides ends early ends the other. Lives for one request, in one thread.
 */
class HttpExchange {
public:
    struct Parts {
        const RequestFields &fields;
        /** The whole body, where none follows. */
        std::string_view body;
        /** Where it follows; else null. */
        BodySource *source;
        const Channel &channel;
        ReplyWriter &reply;
        AppConnection &connection;
        /** Waits a moment in which the end of the application's process becomes known, which ends this one. */
        std::function<void()> awaitDeath;
        /** The application is behind our own WSGI server: RequestHead::writeForLoader(). */
        bool toLoader = false;
    };

    explicit HttpExchange(const Parts &parts) : parts_(parts) {}

    /** @throws ClientGone, BodyBrokenOff */
    void run();

private:
    void decideFraming();
    void decideByFirstBytes();
    bool begin();
    void converse();
    void waitForEither();
    void takeBody();
    void breakSilence();
    int patience() const;
    void addToBody(std::string_view bytes);
    void sendOutput();
    void readAnswer();
    void passOn();
    void conclude();
    bool mayBeSentAgain() const;

    bool hasOutput() const noexcept {
        return outputAt_ < output_.size() && !deaf_;
    }
    bool wantsBody() const noexcept {
        return !bodyDone_ && !hasOutput() && !deaf_;
    }

    const Parts parts_;
    BodyFraming framing_;
    /** What the application has not taken yet, from outputAt_ on. */
    std::string output_;
    std::size_t outputAt_ = 0;
    /** LENGTH: so much is still to come. */
    std::uint64_t bodyLeft_ = 0;
    bool bodyDone_ = true;
    /** The client waits to be asked for it, and neither the application nor we have done so until now. */
    bool unasked_ = false;
    /** The application that has said nothing by then waits for it. */
    std::chrono::steady_clock::time_point silentUntil_;
    /** The application takes no more of the request: it has answered early, or is gone. */
    bool deaf_ = false;
    /** It has sent something. */
    bool heardOf_ = false;
    /** It has closed the connection. */
    bool ended_ = false;
    std::optional<AnswerParser> answer_;
};

}  // namespace Passenger::Bridge
