#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
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
 * the exchange ends the other. A place owns it for one request. No call waits.
 */
class HttpExchange {
public:
    /** Of the connection to the application, and of the reply channel: EPOLLIN, ... */
    struct Events {
        std::uint32_t connection = 0;
        std::uint32_t channel = 0;
    };

    /** When proceed() is to be called. */
    struct Wants : Events {
        std::optional<std::chrono::steady_clock::time_point> deadline{};
    };

    struct Parts {
        const RequestFields &fields;
        /** The whole body, where no BODY messages follow. */
        std::string_view body;
        /** The body that follows, or null. */
        BodySource *source;
        ReplyWriter &reply;
        AppConnection &connection;
        Relays &relays;
        /** RequestFlags of the request. */
        unsigned flags;
        /** Node with our loader serves it: RequestHead::writeForNode(). */
        bool toNode = false;
    };

    explicit HttpExchange(const Parts &parts) : parts_(parts) {}

    /**
     * Takes the steps that are possible now.
     * @param buffer BodySource::BUFFER_SIZE bytes
     * @return false: the exchange is over
     * @throws BodyBrokenOff, and as ReplyWriter
     */
    bool proceed(const Events &events, std::span<char> buffer);
    Wants wants() const;

private:
    enum class Stage : std::uint8_t {
        START,
        /** Waits for the first bytes of the body, which decide the framing. */
        FRAMING,
        CONNECTING,
        CONVERSING,
        /** If the application has ended, this process ends meanwhile. Then comes next_. */
        AWAITING_DEATH,
        /** Looks whether the server still listens. */
        PROBING,
        OVER
    };
    using Step = void (HttpExchange::*)();

    bool mayHaveBody() const {
        return parts_.fields.has("CONTENT_LENGTH") || parts_.fields.has("HTTP_TRANSFER_ENCODING");
    }
    void decideFraming();
    void takeFirstBytes(std::span<char> buffer);
    void begin();
    bool isSafe() const;
    void connect();
    void connectAgain();
    void awaitDeath(Step next);
    void endNotice();
    void converse(const Events &events, std::span<char> buffer);
    void takeBody(std::span<char> buffer);
    void noteEndOfBody();
    void breakSilence();
    std::optional<std::chrono::steady_clock::time_point> endOfPatience() const;
    void addToBody(std::string_view bytes);
    void sendOutput();
    void readAnswer(std::span<char> buffer);
    void endAnswer();
    void passOn();
    void sendAnswer();
    bool mayBeStream() const;
    bool giveAwayUpgrade();
    bool giveAwayStream();
    bool giveAway(std::string_view lines, bool isStream);
    void conclude();
    bool mayBeSentAgain() const;
    void awaitEndOfServer();
    void probe();
    void refuseAnswer();
    void fail(unsigned status, std::string_view text);

    bool hasOutput() const noexcept { return outputAt_ < output_.size() && !takesNoMore_; }
    bool takesTrailers() const noexcept { return (parts_.flags & TAKES_TRAILERS) != 0; }
    bool wantsBody() const noexcept { return !bodyDone_ && !hasOutput() && !takesNoMore_; }
    bool hasBody() const noexcept { return wantsBody() && parts_.source->hasUnread(); }

    const Parts parts_;
    Stage stage_ = Stage::START;
    /** AWAITING_DEATH: until when, and the step after it. */
    std::chrono::steady_clock::time_point noticeUntil_;
    Step next_ = nullptr;
    /** errno of the last attempt to connect. */
    int refusal_ = 0;
    /** The application may refuse connections until then. */
    std::chrono::steady_clock::time_point refusingUntil_;
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
    bool hasAnswerBytes_ = false;
    /** The application has closed the connection. */
    bool ended_ = false;
    /** errno of the read or write that found the connection's end, or 0. */
    int endError_ = 0;
    /** Null: the Relays have it. */
    std::unique_ptr<AnswerParser> answer_;
};

}  // namespace Passenger::Bridge
