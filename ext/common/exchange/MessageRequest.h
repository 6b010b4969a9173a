#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "base/DescriptorSender.h"
#include "exchange/HttpdThreads.h"
#include "shm/FairnessKey.h"
#include "shm/Layouts.h"
#include "shm/RequestLabel.h"

namespace Passenger {

/** What MessageSession::start() takes. */
struct MessageRequest {
    /** The client of the answer. The session watches for its leaving whenever it waits. */
    struct Client {
        /** @param itsSocket -1: there is none */
        Client(int itsSocket) noexcept : socket(itsSocket) {}  // NOLINT(google-explicit-constructor)
        /** A client without a socket. @param itHasLeft is called with `it` several times a second,
         *  and never waits */
        Client(bool (*itHasLeft)(const void *) noexcept, const void *it) noexcept : hasLeft(itHasLeft), of(it) {}

        int socket = -1;
        bool (*hasLeft)(const void *) noexcept = nullptr;
        const void *of = nullptr;
    };

    /** "NAME\0value\0…", at most 1 MiB. Must stay unchanged until the first reply was received,
     *  since it may be sent again. */
    std::string_view environment;
    /** The body, if it is complete and small; else empty. Same lifetime. */
    std::string_view body;
    /** The body follows by sendBody(), or is in bodyFile. */
    bool bodyFollows = false;
    bool headRequest = false;
    /** GET, HEAD, OPTIONS: the request may be sent again, once, if its instance dies before the
     *  first byte of the answer. */
    bool retryable = false;
    /** The caller can give the client's own socket to an application that takes the connection over
     *  (Reply::wantsClient). */
    bool transferable = false;
    /** The caller can give the client's own socket also in the middle of an answer: no filter of
     *  httpd works on its body. */
    bool streamTransferable = false;
    /** The client takes trailer fields. Else Reply::trailers is empty. */
    bool takesTrailers = false;
    /** The application may send the rest of the answer's body as an open file, whose bytes
     *  receive() reads. */
    bool takesFile = false;
    /** A file with the whole body, from its start. -1: none. The application gets the descriptor,
     *  which should not allow writing. Not for applications that speak HTTP. Must stay open until
     *  the first reply was received. */
    int bodyFile = -1;
    std::uint64_t bodyFileSize = 0;
    /** Called when bodyFile was sent to an instance of this application, which may keep it; may be
     *  empty. Never waits. */
    std::function<void(DescriptorSender)> bodyFileGiven{};
    /** Called when bodyFile is sent in pieces, since the application has not taken
     *  BodyFilesInFlight::MOST files before it; may be empty. Never waits. */
    std::function<void()> bodyInPieces{};
    /** What the agent tells people about the request. Same lifetime; may be empty. */
    RequestLabel label{};
    /** Hashes with the secret whose request it is. Requests with the same hash are those of one
     *  client, which may not take the places of others (FairnessKey). Empty: the request has no
     *  key, and such requests may take all places. Called by start(). Never waits. */
    std::function<std::uint64_t(const FairnessKey::Secret &)> fairnessHash{};
    /** What RequestOptions::maxInFlight is compared with, beside the requests in flight. May be
     *  empty: nothing is. Called by start(). Never waits. */
    std::function<HttpdThreads()> threads{};
    /** For sendBody(). */
    Client client{-1};
};

}  // namespace Passenger
