#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "bridge/AnswerParser.h"
#include "bridge/AppConnection.h"
#include "bridge/BodySource.h"
#include "bridge/Relays.h"
#include "bridge/ReplyWriter.h"
#include "bridge/RequestHead.h"

namespace Passenger::Bridge {

/**
 * One request, from its message to the last message of its answer. Sends the request to the
 * application while its body arrives, and passes the answer on as it comes. If one side ends early,
 * the exchange ends the other.
 *
 * A place owns it for one request; used by one thread at a time. A thread that may wait calls
 * run(). A thread that may not calls prepare(), start() and then proceed(), whenever the connection
 * has bytes. If mustWait() is true then, another thread calls goOn().
 */
class HttpExchange {
public:
    struct Parts {
        const RequestFields &fields;
        /** The whole body, where no BODY messages follow. */
        std::string_view body;
        /** The body that follows, or null. */
        BodySource *source;
        const Channel &channel;
        ReplyWriter &reply;
        AppConnection &connection;
        Relays &relays;
        /** RequestFlags of the request. */
        unsigned flags;
        /** Waits a moment: if the application has ended, this process ends meanwhile. */
        std::function<void()> awaitDeath;
        /** Node with our loader serves it: RequestHead::writeForNode(). */
        bool toNode = false;
    };

    explicit HttpExchange(const Parts &parts) : parts_(parts) {}

    // All of the following throw ClientGone and BodyBrokenOff. The bytes of one read into the
    // buffer fit into one message to the child.

    /** The whole exchange. */
    void run(std::span<char> buffer);
    /** The request is ready to be sent, over the kept connection. False: it needs run(). There is
     *  no source. */
    bool prepare();
    void start() { sendOutput(); }
    /** @return false: the exchange is over */
    bool proceed(std::span<char> buffer);
    /** The exchange goes on by goOn() only. */
    bool mustWait() const noexcept { return mustWait_ || hasOutput(); }
    /** The rest of an exchange that another thread has started. */
    void goOn(std::span<char> buffer);

private:
    void decideFraming();
    std::optional<std::string> head() const;
    void decideByFirstBytes();
    bool isSafe() const;
    bool connect();
    bool begin();
    void setUp(const std::string &head);
    void converse(std::span<char> buffer);
    void waitForEither(std::span<char> buffer);
    void takeBody();
    void breakSilence();
    int patience() const;
    void addToBody(std::string_view bytes);
    void sendOutput();
    void readAnswer(std::span<char> buffer);
    ssize_t receive(std::span<char> buffer);
    void noteEnd();
    bool isGivenAway() const;
    bool mayBeStream() const;
    void passOn();
    bool giveAwayUpgrade();
    bool giveAwayStream();
    bool giveAway(std::string_view lines, bool isStream);
    void conclude();
    bool mayBeSentAgain() const;
    void awaitEndOfServer();
    void dropIfClientGone() const;

    bool hasOutput() const noexcept { return outputAt_ < output_.size() && !takesNoMore_; }
    bool takesTrailers() const noexcept { return (parts_.flags & TAKES_TRAILERS) != 0; }
    bool wantsBody() const noexcept { return !bodyDone_ && !hasOutput() && !takesNoMore_; }

    const Parts parts_;
    BodyFraming framing_;
    /** Bytes for the application; those before outputAt_ are sent. */
    std::string output_;
    std::size_t outputAt_ = 0;
    /** LENGTH: bytes that are still to come. */
    std::uint64_t bodyLeft_ = 0;
    bool bodyDone_ = true;
    /** The client waits to be asked for the body, and has not been asked yet. */
    bool mustAskForBody_ = false;
    /** An application that is silent until then waits for the body. */
    std::chrono::steady_clock::time_point silentUntil_;
    /** The application takes no more of the request: it answered early or is gone. */
    bool takesNoMore_ = false;
    /** The application has sent bytes. */
    bool hasAnswerBytes_ = false;
    /** The application has closed the connection. */
    bool ended_ = false;
    /** The next steps may wait. */
    bool mustWait_ = false;
    /** errno of the read or write that found the connection's end, or 0. */
    int endError_ = 0;
    /** Null: the Relays have it. */
    std::unique_ptr<AnswerParser> answer_;
};

}  // namespace Passenger::Bridge
